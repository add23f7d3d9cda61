// SPDX-License-Identifier: MIT
#include "serve/fim_order.hpp"

#include <string>
#include <vector>

#include "serve/served.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using serve::fim_order;
using serve::fim_order_of;
using serve::fim_tokens;

TEST_CASE("each known model has the order that it was trained on", "[serve][fim_order]") {
    const auto automatic = [](const std::vector<std::string>& tokens) {
        return fim_order_of("auto", support::byte_tokenizer(tokens));
    };
    CHECK(automatic(support::qwen_tokens) == fim_order::prefix_first);
    CHECK(automatic({"<fim_prefix>", "<fim_suffix>", "<fim_middle>"}) == fim_order::prefix_first);
    CHECK(automatic({"[SUFFIX]", "[PREFIX]"}) == fim_order::suffix_first);
    CHECK(automatic({"<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>"}) == fim_order::suffix_first);
    CHECK(automatic({"<|endoftext|>"}) == fim_order::prefix_first);
    for (const serve::known_order& known : serve::known_orders) {
        CAPTURE(known.model);
        CHECK_FALSE(known.source.empty());
    }
}

TEST_CASE("a setting replaces the model's order", "[serve][fim_order]") {
    const auto words = support::byte_tokenizer(support::qwen_tokens);
    for (const fim_order order : {fim_order::prefix_first, fim_order::suffix_first, fim_order::after_middle}) {
        CHECK(fim_order_of(to_string(order), words) == order);
    }
    CHECK(support::error_of([&] { (void)fim_order_of("", words); }) ==
          support::thrown(earlyout::errc::invalid_argument, {"fim_order", "after-middle"}));
}

TEST_CASE("the tokens around files are found, and those that are absent named", "[serve][fim_order]") {
    const auto tokens = [](const std::vector<std::string>& names) {
        return fim_tokens::of(support::byte_tokenizer(names));
    };
    const fim_tokens qwen = tokens(support::qwen_tokens);
    CHECK(qwen.middle);
    CHECK(qwen.repository == 260);
    CHECK(qwen.file == 261);
    CHECK(qwen.lacks.empty());
    const fim_tokens star = tokens({"<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<repo_name>", "<file_sep>"});
    CHECK(star.repository == 259);
    CHECK(star.file == 260);
    CHECK(tokens({"<fim_prefix>", "<fim_suffix>"}).lacks == "middle");
    CHECK(tokens({"<fim_suffix>"}).lacks == "prefix and middle");
    CHECK(tokens({"<fim_prefix>", "<|fim_suffix|>", "<fim-middle>"}).lacks == "tokens of one family");
}
