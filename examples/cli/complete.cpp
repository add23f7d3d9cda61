// SPDX-License-Identifier: MIT
// `earlyout complete`: continues a text and shows how deep each token went.
#include "commands.hpp"
#include "compare.hpp"
#include "help.hpp"
#include "interrupt.hpp"
#include "memory.hpp"
#include "policy.hpp"
#include "report.hpp"

#include <earlyout/generate/make_session.hpp>
#include <earlyout/text/fill_in_the_middle.hpp>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <unistd.h>

namespace cli {

namespace {

struct complete_options {
    model_options model;
    text_options prompt;
    std::optional<std::string> suffix;
    eo::generate_options generate;
    exit_options exits;
    draft_options drafts;
    weight_options weights;
    run_options run;
    std::string colour = "auto";
    bool show_layers = false;
    bool compare = false;
    std::size_t rounds = 5;
    bool json = false;
    bool quiet = false;
    std::vector<std::string> end_of_text;
};

/// Of a token that ends the text, given by its id or its text.
eo::token_id end_token(const model& m, const complete_options& o, const std::string& given) {
    const auto& words = tokenizer_of(m, o.model.folder);
    if (const auto id = words.find(given); id && words.is_special(*id)) return *id;
    eo::token_id id = -1;
    const char* const end = given.data() + given.size();
    const auto [next, problem] = std::from_chars(given.data(), end, id);
    if (problem == std::errc{} && next == end && words.has(id)) return id;
    if (const auto found = words.find(given)) return *found;
    eo::fail(eo::errc::invalid_argument, "--end-of-text: expected a token's id or its text, as in '</s>', found '",
             given, "'");
}

/// Writes each token as soon as its text is certain: in colour on a terminal, with its layer if --show-layers is given.
class token_printer {
public:
    token_printer(const complete_options& o, std::size_t layers)
        : colours_(STDOUT_FILENO, o.colour, layers), terminal_(is_terminal(STDOUT_FILENO)), layers_(o.show_layers) {}

    /// On a terminal the completion continues the text it completes.
    void prompt(const std::string& text) const {
        if (terminal_) std::cout << colours_.dim(printable(text)) << std::flush;
    }
    eo::flow operator()(const eo::token_event& t) const {
        const std::string text = terminal_ ? printable(t.piece) : std::string(t.piece);
        std::cout << colours_.layer(t.exit_layer, text, t.drafted);
        if (layers_) std::cout << colours_.dim('<' + std::to_string(t.exit_layer) + '>');
        return std::cout.flush() ? eo::flow::proceed : eo::flow::stop;  // nobody reads any more
    }

private:
    palette colours_;
    bool terminal_;
    bool layers_;
};

/// The prompt's tokens where the middle of a text is wanted: the text in front of it is the prompt.
std::vector<eo::token_id> middle_prompt(complete_options& o, const model& m, const std::string& prompt) {
    const auto& words = tokenizer_of(m, o.model.folder);
    const auto tokens = eo::text::fill_in_the_middle::of(words);
    if (!tokens) {
        eo::fail(eo::errc::unsupported, o.model.folder,
                 ": --suffix: expected a tokenizer with fill-in-the-middle tokens, such as <fim_prefix>, found none");
    }
    if (tokens->end) o.generate.more_end_of_text.push_back(*tokens->end);
    return tokens->prompt(words, prompt, *o.suffix);
}

/// Which policy was followed, and who chose it.
void print_policy(std::ostream& to, const chosen_policy& chosen) {
    print_line(to, "policy", to_string(chosen.policy));
    if (!chosen.policy.drafts.is_none()) {
        print_line(to, "lossless", "drafts are verified at full depth; --draft none decodes without");
    }
    if (!chosen.note.empty()) {
        print_line(to, "exits not used", wrapped_column(chosen.note, help_width(), 21));
    } else if (chosen.from == "fit" && !chosen.policy.is_full_depth()) {
        print_line(to, "chosen by", "fit, for this model; --exact completes at full depth");
    } else if (chosen.from == "machine") {
        print_line(to, "chosen by", "a short measurement on this machine, among what fit found");
    }
}

void stream(const complete_options& o, const model& m, const chosen_policy& chosen, const std::string& prompt,
            const std::vector<eo::token_id>& ids) {
    const std::size_t layers = m.network().shape().layers;
    auto session = eo::make_session(m, chosen.policy, session_options_of(o.run), sources_of(m, o.drafts));
    const token_printer printer(o, layers);
    printer.prompt(prompt);
    const eo::completion result =
        o.suffix ? session.complete(ids, o.generate, printer) : session.complete(prompt, o.generate, printer);
    std::cout << (is_terminal(STDOUT_FILENO) ? printable(result.unstreamed) : result.unstreamed) << std::endl;
    if (o.quiet) return;

    std::cerr << '\n';
    print_legend(std::cerr, result.stats, palette(STDERR_FILENO, o.colour, layers));
    std::cerr << '\n';
    print_policy(std::cerr, chosen);
    print_summary(std::cerr, result);
    print_line(std::cerr, "memory", to_string(memory_of(m, o.run)));
    print_line(std::cerr, "threads", std::to_string(o.run.threads));
}

int run(complete_options& o) {
    const std::string prompt = read(o.prompt);
    const model m = load(o.model, o.weights);
    (void)tokenizer_of(m, o.model.folder);
    for (const std::string& token : o.end_of_text) o.generate.more_end_of_text.push_back(end_token(m, o, token));
    const std::vector<eo::token_id> ids = o.suffix ? middle_prompt(o, m, prompt) : std::vector<eo::token_id>();
    const chosen_policy chosen = choose_policy(m, o.exits, o.drafts, o.run);
    if (!o.drafts.from.empty() && std::ranges::find(chosen.policy.drafts.drafters, "suffix", &eo::drafter_spec::name) ==
                                      chosen.policy.drafts.drafters.end()) {
        eo::fail(eo::errc::invalid_argument, "--draft-from: expected suffix among the drafters, found ",
                 to_string(chosen.policy.drafts), "; --draft suffix, or --exact, drafts with it");
    }
    require_memory_to_run(m, o.run);
    const interrupt interrupted;
    o.generate.cancel = interrupted.token();

    if (o.json) {
        auto session = eo::make_session(m, chosen.policy, session_options_of(o.run), sources_of(m, o.drafts));
        const eo::completion result =
            o.suffix ? session.complete(ids, o.generate) : session.complete(prompt, o.generate);
        json object = to_json(result);
        object["policy"] = to_string(chosen.policy);
        object["policy_from"] = chosen.from;
        if (!chosen.note.empty()) object["policy_note"] = chosen.note;
        object["threads"] = o.run.threads;
        object["memory"] = to_json(memory_of(m, o.run));
        if (o.compare) object["compare"] = to_json(compare(m, chosen.policy, o.run, prompt, o.generate, o.rounds));
        print(std::cout, object);
    } else {
        stream(o, m, chosen, prompt, ids);
        if (o.compare) print(std::cerr, compare(m, chosen.policy, o.run, prompt, o.generate, o.rounds));
    }
    return interrupted.status();
}

}  // namespace

command complete(CLI::App& app) {
    CLI::App* const sub = app.add_subcommand(
        "complete", "Continue a text, with the exits that were fitted to the model, and show where tokens exited");
    sub->footer(
        "Examples:\n"
        "  earlyout complete --prompt 'def add(a, b):' --show-layers\n"
        "  earlyout complete --file main.py --exact --json\n"
        "  earlyout complete --file main.py --draft 'suffix|depth' --draft-from src/\n"
        "  earlyout complete --prompt 'import ' --policy 'margin(0.6) @ 2,4' --compare");
    const auto o = std::make_shared<complete_options>();
    add_options(*sub, o->model);
    add_cache(*sub, o->model);
    add_options(*sub, o->prompt, "--prompt");
    CLI::Option* const suffix =
        sub->add_option("--suffix", o->suffix,
                        "Write what belongs between the prompt and this text, with a model that was trained to")
            ->type_name("TEXT");
    add_options(*sub, o->weights);
    add_options(*sub, o->run);
    add_json(*sub, o->json);
    add_quiet(*sub, o->quiet);
    sub->add_option("--color", o->colour,
                    "Colour each token by its exit layer: auto (on a terminal, unless NO_COLOR is "
                    "set), always, never")
        ->check(one_of({"auto", "always", "never"}))
        ->type_name("WHEN")
        ->capture_default_str();
    sub->add_flag("--show-layers", o->show_layers, "Write each token's exit layer behind it, as in `def<3>`");
    CLI::Option* const compare =
        sub->add_flag("--compare", o->compare, "Also measure the same completion at full depth, in turns with this one")
            ->excludes(suffix);
    sub->add_option("--rounds", o->rounds, "Measurements of each for --compare")
        ->check(CLI::Range(1, 1000))
        ->needs(compare)
        ->type_name("N")
        ->capture_default_str();
    add_options(*sub, o->generate);
    sub->add_option("--end-of-text", o->end_of_text,
                    "A token that also ends the completion, by its id or its text; may be given several times")
        ->type_name("TOKEN")
        ->allow_extra_args(false)
        ->group("Length");
    add_plain_text(*sub, o->generate.plain_text);
    add_options(*sub, o->exits);
    add_options(*sub, o->drafts);
    return {sub, [o] { return run(*o); }};
}

}  // namespace cli
