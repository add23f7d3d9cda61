// SPDX-License-Identifier: MIT
// Files in the layout of each family of models, beside Hugging Face's library.
#include <earlyout/io/tokenizer.hpp>

#include "io/tokenizer_fixtures.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace eo = earlyout;
using eo::token_id;
using eo::io::tokenizer;
using support::from_base64;
using support::json;
using ids = std::vector<token_id>;

bool needs_unicode_forms(const json& change) {
    return change.dump().find("\"NF") != std::string::npos && !eo::io::detail::has_unicode_forms;
}

}  // namespace

TEST_CASE("each family's file gives Hugging Face's ids and text", "[tokenizer_families]") {
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
            eo::io::stream_decoder decoder = words.stream();
            std::string shown;
            for (const token_id id : expected) shown += decoder.push(id);
            shown += decoder.finish();
            CHECK(shown == decoded);
        }
    }
}

TEST_CASE("any bytes round trip where every byte has a token", "[tokenizer_families]") {
    const json golden = json::parse(support::tokenizer_data("families.json"));
    std::string text;
    for (int byte = 0; byte < 256; ++byte) text += static_cast<char>(byte * 37 % 256);
    for (const std::string_view name : {"Llama 3", "StarCoder", "Llama 2", "CodeLlama", "Mistral", "Gemma"}) {
        for (const json& family : golden.at("families")) {
            if (family.at("name") != name) continue;
            INFO(name);
            const tokenizer words = support::family_tokenizer(golden, family);
            CHECK(words.decode(words.encode(text)) == text);
            CHECK(words.decode(words.encode("  " + text)) == (name == "Mistral" ? " " : "  ") + text);
        }
    }
}
