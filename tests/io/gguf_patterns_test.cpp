// SPDX-License-Identifier: MIT
// The patterns that GGUF files name, against the words that Hugging Face's library makes with the models' own.
#include <earlyout/io/detail/gguf_patterns.hpp>
#include <earlyout/text/detail/pre_tokenizer.hpp>

#include "support/catch.hpp"
#include "text/tokenizer_fixtures.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace eo = earlyout;
using support::json;

eo::text::detail::splitter splitter_of(const eo::io::detail::gguf_pattern& pattern) {
    eo::text::detail::splitter made;
    const auto add = [&](std::string_view expression) {
        made.steps.push_back(
            eo::text::detail::split_at(expression, eo::text::detail::split_behavior::isolated, "pattern"));
    };
    for (const char* const cut : pattern.cuts) add(cut);
    if (made.steps.empty()) add(eo::text::detail::gpt2_pattern);
    return made;
}

}  // namespace

TEST_CASE("patterns that GGUF files name split as those of the models' own files", "[io][gguf_patterns]") {
    const json golden = json::parse(support::tokenizer_data("patterns.json"));
    CHECK(golden.size() == 19);
    for (const json& one : golden) {
        const std::string name = one.at("name");
        INFO(name);
        const eo::io::detail::gguf_pattern* const pattern = eo::io::detail::find_gguf_pattern(name);
        REQUIRE(pattern != nullptr);
        const eo::text::detail::splitter how = splitter_of(*pattern);
        eo::text::detail::split_runner runner(how);
        for (const json& expected : one.at("cases")) {
            const std::string text = support::from_base64(expected.at("text").get_ref<const std::string&>());
            CAPTURE(text);
            std::vector<std::size_t> words;
            runner.each_word(text, true, true, [&](std::string_view word) { words.push_back(word.size()); });
            CHECK(words == expected.at("words").get<std::vector<std::size_t>>());
        }
    }
}
