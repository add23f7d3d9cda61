// SPDX-License-Identifier: MIT
// `earlyout tokenize` and `earlyout detokenize`: between text and token ids.
#include "commands.hpp"
#include "model.hpp"
#include "options.hpp"
#include "report.hpp"

#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace cli {

namespace {

struct tokenize_options {
    model_options model;
    text_options text;
    bool plain_text = false;
    bool json = false;
};

int run(const tokenize_options& o) {
    const std::string text = read(o.text);
    const model m = load(o.model);
    const std::vector<eo::token_id> ids =
        tokenizer_of(m, o.model.folder).encode(text, {.special_tokens = !o.plain_text});
    if (o.json) {
        print(std::cout, {{"ids", ids}});
        return 0;
    }
    // As --ids takes them.
    for (std::size_t i = 0; i < ids.size(); ++i) std::cout << (i == 0 ? "" : ",") << ids[i];
    std::cout << '\n';
    return 0;
}

struct detokenize_options {
    model_options model;
    std::vector<eo::token_id> ids;
    bool json = false;
};

int run(const detokenize_options& o) {
    const model m = load(o.model);
    const std::string text = tokenizer_of(m, o.model.folder).decode(o.ids);
    if (o.json) {
        print(std::cout, {{"text", text}});
    } else {
        std::cout << text;  // the bytes, and nothing else
    }
    return 0;
}

}  // namespace

command tokenize(CLI::App& app) {
    CLI::App* const sub = app.add_subcommand("tokenize", "Token ids of a text; no special tokens are added");
    const auto o = std::make_shared<tokenize_options>();
    add_options(*sub, o->model);
    add_options(*sub, o->text, "--text");
    add_plain_text(*sub, o->plain_text);
    add_json(*sub, o->json);
    sub->footer(
        "Examples:\n"
        "  earlyout tokenize --text 'def f(x):'\n"
        "  earlyout tokenize --model my-model --file main.py --json");
    return {sub, [o] { return run(*o); }};
}

command detokenize(CLI::App& app) {
    CLI::App* const sub = app.add_subcommand("detokenize", "Text of token ids, byte for byte");
    const auto o = std::make_shared<detokenize_options>();
    add_options(*sub, o->model);
    add_ids(*sub, o->ids);
    add_json(*sub, o->json);
    sub->footer(
        "Examples:\n"
        "  earlyout detokenize --ids 97,98\n"
        "  earlyout detokenize --ids \"$(earlyout tokenize --text 'def f(x):')\"");
    return {sub, [o] { return run(*o); }};
}

}  // namespace cli
