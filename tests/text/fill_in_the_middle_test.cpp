// SPDX-License-Identifier: MIT
#include <earlyout/text/fill_in_the_middle.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "text/tokenizer_fixtures.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace eo = earlyout;
using eo::text::fill_in_the_middle;
using eo::text::tokenizer;
using ids = std::vector<eo::token_id>;

tokenizer family(std::string_view name) {
    static const support::json golden = support::json::parse(support::tokenizer_data("families.json"));
    for (const support::json& one : golden.at("families")) {
        if (one.at("name") == name) return support::family_tokenizer(golden, one);
    }
    throw std::runtime_error("no such family");
}

/// The bytes, then these special tokens.
tokenizer bytes_and(const std::vector<std::string>& special) {
    support::json content = support::tokenizer_json({});
    content["model"]["vocab"].erase("<|endoftext|>");
    content["added_tokens"] = support::json::array();
    for (const std::string& name : special) {
        content["added_tokens"].push_back({{"id", 256}, {"content", name}, {"special", true}, {"normalized", false}});
    }
    return support::tokenizer_of(content);
}

}  // namespace

TEST_CASE("a fill-in-the-middle prompt has the tokens of its family", "[fill_in_the_middle]") {
    const tokenizer star = family("StarCoder");
    const auto of_star = fill_in_the_middle::of(star);
    REQUIRE(of_star);
    CHECK_FALSE(of_star->end);
    CHECK(star.decode(of_star->prompt(star, "def f(", "):\n")) == "<fim_prefix>def f(<fim_suffix>):\n<fim_middle>");
    CHECK(of_star->prompt(star, "", "") == ids{*of_star->prefix, of_star->suffix, of_star->middle.front()});

    const tokenizer deep = family("DeepSeek Coder");
    const auto of_deep = fill_in_the_middle::of(deep);
    REQUIRE(of_deep);
    CHECK(deep.decode(of_deep->prompt(deep, "a", "b")) ==
          "<\uff5cbegin\u2581of\u2581sentence\uff5c><\uff5cfim\u2581begin\uff5c>a<\uff5cfim\u2581hole\uff5c>b"
          "<\uff5cfim\u2581end\uff5c>");

    if (eo::text::detail::has_unicode_forms) {
        const tokenizer qwen = family("Qwen2");
        REQUIRE(fill_in_the_middle::of(qwen));
        CHECK(qwen.decode(fill_in_the_middle::of(qwen)->prompt(qwen, "a", "b")) ==
              "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>");
    }
}

TEST_CASE("CodeLlama's prefix begins with a space, its suffix does not", "[fill_in_the_middle]") {
    const tokenizer words = family("CodeLlama");
    const auto tokens = fill_in_the_middle::of(words);
    REQUIRE(tokens);
    CHECK(tokens->end == words.find(" <EOT>"));
    CHECK(words.decode(tokens->prompt(words, "a", "b")) == "<s> <PRE> a <SUF>b <MID>");
    CHECK(tokens->prompt(words, "a", "b").front() == 1);
}

TEST_CASE("Seed-Coder's and Codestral's prompts have the suffix first", "[fill_in_the_middle]") {
    const tokenizer seed =
        bytes_and({"<[begin\u2581of\u2581sentence]>", "<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>"});
    const auto of_seed = fill_in_the_middle::of(seed);
    REQUIRE(of_seed);
    CHECK(seed.decode(of_seed->prompt(seed, "def f(", "):\n")) ==
          "<[fim-suffix]>):\n<[fim-prefix]>def f(<[fim-middle]>");
    CHECK(of_seed->prompt(seed, "a", "b") == ids{258, 65, 257, 64, 259});
    CHECK(of_seed->prompt(seed.with_tokens_before({256}), "<[fim-middle]>", "").size() == 1 + 3 + 14);

    const tokenizer code = bytes_and({"<s>", "[MIDDLE]", "[PREFIX]", "[SUFFIX]"}).with_tokens_before({256});
    const auto of_code = fill_in_the_middle::of(code);
    REQUIRE(of_code);
    CHECK(code.decode(of_code->prompt(code, "def f(", "):\n")) == "<s>[SUFFIX]):\n[PREFIX]def f(");
    CHECK(of_code->prompt(code, "a", "b") == ids{256, 259, 65, 258, 64});
    CHECK(of_code->prompt(code, "", "") == ids{256, 259, 258});
    CHECK_FALSE(of_code->end);

    // Over characters, as in Codestral 22B: a space before the prefix, none before the suffix.
    support::json content = {{"model", support::character_model({"a", "b", "\u2581"}, {"\u2581 a", "\u2581 b"})},
                             {"normalizer", {{"type", "Prepend"}, {"prepend", "\u2581"}}},
                             {"decoder", {{"type", "Fuse"}}}};
    for (const char* name : {"[PREFIX]", "[SUFFIX]"}) {
        content["added_tokens"].push_back({{"id", 0}, {"content", name}, {"special", true}, {"normalized", false}});
    }
    const tokenizer pieces = support::tokenizer_of(content);
    const auto of_pieces = fill_in_the_middle::of(pieces);
    REQUIRE(of_pieces);
    CHECK(pieces.decode(of_pieces->prompt(pieces, "ab", "ba")) == "[SUFFIX]ba[PREFIX]\u2581ab");
}

TEST_CASE("CodeGen2's prompt has a mask in place of the middle", "[fill_in_the_middle]") {
    const tokenizer words = bytes_and({"<|endoftext|>", "<sep>", "<eom>", "<mask_1>"});
    const auto tokens = fill_in_the_middle::of(words);
    REQUIRE(tokens);
    CHECK(words.decode(tokens->prompt(words, "def f(", "):\n")) == "def f(<mask_1>):\n<|endoftext|><sep><mask_1>");
    CHECK(tokens->prompt(words, "a", "b") == ids{64, 259, 65, 256, 257, 259});
    CHECK(tokens->end == 258);
    // What looks like such a token in a user's text is text.
    const ids prompt = tokens->prompt(words, "<mask_1><sep>", "<eom>");
    CHECK(std::ranges::count(prompt, 259) == 2);
    CHECK(std::ranges::count(prompt, 258) == 0);
    CHECK_FALSE(fill_in_the_middle::of(bytes_and({"<|endoftext|>", "<sep>", "<eom>"})));

    CHECK(tokens->cut(ids{1, 2, 3, 259, 20, 21, 256, 257, 259}, 0, 8) == ids{1, 2, 3, 259, 20, 256, 257, 259});
    CHECK(tokens->cut(ids{1, 2, 3, 259, 20, 21, 256, 257, 259}, 1, 6) == ids{1, 3, 259, 256, 257, 259});
    CHECK(tokens->cut(ids{259, 256, 257, 259}, 0, 4) == ids{259, 256, 257, 259});
    CHECK_FALSE(tokens->cut(ids{1, 2, 3, 259, 20, 21}, 0, 4));  // a mask alone
    CHECK_FALSE(tokens->cut(ids{1, 2, 3}, 0, 2));
}

TEST_CASE("tokenizers may have no such tokens", "[fill_in_the_middle]") {
    CHECK_FALSE(fill_in_the_middle::of(support::gpt2_tokenizer()));
    CHECK_FALSE(fill_in_the_middle::of(family("Llama 2")));
    CHECK_FALSE(fill_in_the_middle::of(tokenizer("model/tokenizer.json")));
}

TEST_CASE("a fill-in-the-middle prompt is cut to the text around the middle", "[fill_in_the_middle]") {
    const fill_in_the_middle tokens{.prefix = 100, .suffix = 101, .middle = {102}, .end = std::nullopt};
    for (std::size_t before = 0; before < 9; ++before) {
        for (std::size_t behind = 0; behind < 9; ++behind) {
            for (const std::size_t start : {0u, 1u}) {
                ids all(start, 99);
                all.push_back(100);
                for (std::size_t i = 0; i < before; ++i) all.push_back(static_cast<eo::token_id>(i));
                all.push_back(101);
                for (std::size_t i = 0; i < behind; ++i) all.push_back(static_cast<eo::token_id>(20 + i));
                all.push_back(102);
                for (std::size_t kept = start + 3; kept <= all.size(); ++kept) {
                    CAPTURE(before, behind, start, kept);
                    const std::size_t room = kept - start - 3;
                    const std::size_t after = std::min(behind, std::max(room / 4, room - std::min(room, before)));
                    ids expected(start, 99);
                    expected.push_back(100);
                    for (std::size_t i = before - (room - after); i < before; ++i) {
                        expected.push_back(static_cast<eo::token_id>(i));
                    }
                    expected.push_back(101);
                    for (std::size_t i = 0; i < after; ++i) expected.push_back(static_cast<eo::token_id>(20 + i));
                    expected.push_back(102);
                    REQUIRE(expected.size() == kept);
                    REQUIRE(tokens.cut(all, start, kept) == expected);
                }
                CHECK(support::error_of([&] { (void)tokens.cut(all, start, start + 2); }) ==
                      support::thrown(eo::errc::out_of_range, {"fill-in-the-middle", "found"}));
            }
        }
    }
    CHECK_FALSE(tokens.cut(ids{1, 2, 3, 100}, 0, 2));
    // The suffix first, no token where the middle begins; and text before the frame is dropped first.
    CHECK(tokens.cut(ids{1, 2, 101, 20, 21, 100, 3, 4}, 0, 4) == ids{101, 100, 3, 4});
    CHECK(tokens.cut(ids{1, 2, 101, 20, 21, 100, 3, 4}, 1, 6) == ids{1, 101, 20, 100, 3, 4});
    const fill_in_the_middle open{.prefix = 100, .suffix = 101, .middle = {}, .end = {}, .suffix_first = true};
    CHECK(open.cut(ids{99, 101, 20, 21, 100, 3, 4}, 1, 6) == ids{99, 101, 20, 100, 3, 4});
}
