// SPDX-License-Identifier: MIT
// Files in the layout of each model family, against Hugging Face's library.
#include <earlyout/generate/detail/text_stream.hpp>
#include <earlyout/generate/model.hpp>
#include <earlyout/io/generation_config.hpp>
#include <earlyout/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "text/tokenizer_fixtures.hpp"

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace eo = earlyout;
using eo::token_id;
using eo::text::tokenizer;
using support::from_base64;
using support::json;
using ids = std::vector<token_id>;

bool needs_unicode_forms(const json& change) {
    return change.dump().find("\"NF") != std::string::npos && !eo::text::detail::has_unicode_forms;
}

tokenizer family(const json& golden, std::string_view name) {
    for (const json& one : golden.at("families")) {
        if (one.at("name") == name) return support::family_tokenizer(golden, one);
    }
    throw std::runtime_error("no such family");
}

/// The parts of a model that prompts and texts need.
struct words_only {
    eo::text::tokenizer words;
    eo::io::generation_config config{};
    const eo::text::tokenizer& tokenizer() const { return words; }
    const eo::io::generation_config& generation() const { return config; }
};

}  // namespace

TEST_CASE("each family's file reproduces Hugging Face's ids and text", "[tokenizer_families]") {
    const json golden = json::parse(support::tokenizer_data("families.json"));
    CHECK(golden.at("families").size() == 13);
    for (const json& family : golden.at("families")) {
        INFO(family.at("name"));
        if (needs_unicode_forms(family.at("change"))) continue;
        const tokenizer words = support::family_tokenizer(golden, family);
        for (const json& one : family.at("cases")) {
            const std::string text = from_base64(one.at("text").get_ref<const std::string&>());
            CAPTURE(text);
            const ids expected = one.at("ids").get<ids>();
            CHECK(words.encode(text) == expected);
            const ids around = words.encode(text, {.add_special_tokens = true});
            CHECK(around == (one.contains("added") ? one.at("added").get<ids>() : expected));
            if (!one.contains("decoded")) continue;
            const std::string decoded = from_base64(one.at("decoded").get_ref<const std::string&>());
            CHECK(words.decode(expected) == decoded);
            eo::text::stream_decoder decoder = words.stream();
            std::string shown;
            for (const token_id id : expected) shown += decoder.push(id);
            shown += decoder.finish();
            CHECK(shown == decoded);
        }
    }
}

TEST_CASE("any bytes round trip if every byte has a token", "[tokenizer_families]") {
    const json golden = json::parse(support::tokenizer_data("families.json"));
    std::string text;
    for (int byte = 0; byte < 256; ++byte) text += static_cast<char>(byte * 37 % 256);
    for (const std::string_view name : {"Llama 3", "StarCoder", "Llama 2", "CodeLlama", "Mistral", "Gemma"}) {
        INFO(name);
        const tokenizer words = family(golden, name);
        CHECK(words.decode(words.encode(text)) == text);
        CHECK(words.decode(words.encode("  " + text)) == (name == "Mistral" ? " " : "  ") + text);
    }
}

TEST_CASE("long runs take little time in each family", "[tokenizer_families]") {
    const json golden = json::parse(support::tokenizer_data("families.json"));
    std::vector<std::string> texts;
    // The last has combining marks that normalization reorders.
    for (const std::string_view run : {"a", " ", "\n", "\xe6\xbc\xa2", "-", "\xff", "\xcc\x81\xcc\xa3"}) {
        std::string& text = texts.emplace_back("x");
        while (text.size() < 1 << 18) text += run;
    }
    for (const json& family : golden.at("families")) {
        INFO(family.at("name"));
        if (needs_unicode_forms(family.at("change"))) continue;
        const tokenizer words = support::family_tokenizer(golden, family);
        for (const std::string& text : texts) {
            const ids found = words.encode(text);      // a quadratic loop takes minutes
            CHECK(words.decode(found).find('x') < 2);  // after RoBERTa's space
        }
    }
}

TEST_CASE("a prompt begins with what its tokenizer or its configuration requires, once", "[tokenizer_families]") {
    const json golden = json::parse(support::tokenizer_data("families.json"));
    words_only model{family(golden, "Llama 1, control tokens in normalized text")};
    const ids plain = model.words.encode("a");
    ids expected = plain;
    expected.insert(expected.begin(), 1);
    CHECK(model.words.encode("a", {.add_special_tokens = true}).back() == 2);
    CHECK(eo::encode_prompt(model, "a") == expected);  // without the end
    CHECK(eo::encode_prompt(model, "<s>").size() == 1);
    model.config = {.add_bos = true, .bos_token_id = 1, .eos_token_ids = {}};
    CHECK(eo::encode_prompt(model, "a") == expected);
    model.words = family(golden, "Metaspace without a prefix");
    const std::size_t size = model.words.encode("a").size();
    CHECK(eo::encode_prompt(model, "a").size() == size + 1);
    model.config.add_bos = false;
    CHECK(eo::encode_prompt(model, "a").size() == size);
}

TEST_CASE("a completion keeps the space between it and its prompt", "[tokenizer_families]") {
    const json golden = json::parse(support::tokenizer_data("families.json"));
    for (const std::string_view name : {"Llama 2", "Mistral", "Metaspace as it was"}) {
        const words_only model{family(golden, name)};
        eo::detail::text_stream<words_only> text(model, 8);
        text.restart({});
        for (const token_id id : model.words.encode("the const")) (void)text.push(id, false);
        text.end();
        CHECK(text.text() == " the const");
    }
}
