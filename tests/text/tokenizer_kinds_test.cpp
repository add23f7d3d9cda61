// SPDX-License-Identifier: MIT
// Steps, models and lists of added tokens that few files have, against Hugging Face's library.
#include <earlyout/text/detail/utf8.hpp>
#include <earlyout/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "text/tokenizer_fixtures.hpp"

#include <algorithm>
#include <cstddef>
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

std::string streamed(const tokenizer& words, const ids& tokens) {
    eo::text::stream_decoder decoder = words.stream();
    std::string shown;
    for (const token_id id : tokens) shown += decoder.push(id);
    return shown += decoder.finish();
}

/// What Hugging Face's library returns for bytes that are no character.
std::string with_replacements(std::string_view text) {
    std::string made;
    for (std::string_view rest = text; !rest.empty();) {
        const eo::text::detail::utf8_prefix here = eo::text::detail::look_at_utf8(rest);
        const std::size_t size = here.complete() ? here.needed : std::max<std::size_t>(here.matched, 1);
        made += here.complete() ? rest.substr(0, size) : std::string_view("\xef\xbf\xbd");
        rest.remove_prefix(size);
    }
    return made;
}

}  // namespace

TEST_CASE("each kind of file reproduces Hugging Face's ids and text", "[tokenizer_kinds]") {
    const json golden = json::parse(support::tokenizer_data("kinds.json"));
    CHECK(golden.size() == 25);
    for (const json& kind : golden) {
        INFO(kind.at("name"));
        const tokenizer words = support::tokenizer_of(kind.at("file"));
        for (const json& one : kind.at("cases")) {
            const std::string text = from_base64(one.at("text").get_ref<const std::string&>());
            CAPTURE(text);
            const ids expected = one.at("ids").get<ids>();
            CHECK(words.encode(text) == expected);
            const std::string decoded = words.decode(expected);
            CHECK(with_replacements(decoded) == from_base64(one.at("decoded").get_ref<const std::string&>()));
            CHECK(streamed(words, expected) == decoded);
        }
    }
}

TEST_CASE("a token of a vocabulary without a decoder is found by its name", "[tokenizer_kinds]") {
    for (const json& kind : json::parse(support::tokenizer_data("kinds.json"))) {
        if (kind.at("name") != "WordLevel") continue;
        const tokenizer words = support::tokenizer_of(kind.at("file"));
        CHECK(words.find("<s>") == 13);
        CHECK(words.find("[PAD]") == 1);
        CHECK(words.encode_plain("<s>") == ids{0, 0, 0});
        CHECK(words.decode(ids{13, 2, 3}) == "<s> the return");
        auto behind = words.continuation_stream();
        CHECK(behind.push(2) == " the");
    }
}

TEST_CASE("an id without a token is refused in one sentence, and streamed as nothing", "[tokenizer_kinds]") {
    json content = support::tokenizer_json({});
    content["model"]["vocab"]["abc"] = 300;
    const tokenizer words = support::tokenizer_of(content);
    for (const token_id id : {-1, 299, 301, 151935}) {
        CAPTURE(id);
        CHECK_FALSE(words.has(id));
        CHECK(support::error_of([&] {
                  (void)words.decode(ids{64, id});
              }) == support::thrown(eo::errc::out_of_range,
                                    {"made.json: token " + std::to_string(id),
                                     id == 299 ? "a gap" : "outside the vocabulary", "0 to below 301", "padding"}));
        CHECK(streamed(words, {64, id, 65}) == "ab");
    }
}

TEST_CASE("files of each kind with random damage give an error or a tokenizer", "[tokenizer_kinds]") {
    support::random_source random(23);
    for (const json& kind : json::parse(support::tokenizer_data("kinds.json"))) {
        INFO(kind.at("name"));
        const std::string good = kind.at("file").dump();
        for (int round = 0; round < 20; ++round) {
            std::string text = good;
            for (std::size_t i = 1 + random.index(3); i > 0; --i) {
                // The steps and the added tokens come first, the vocabulary behind them.
                text[random.index(std::min<std::size_t>(text.size(), 600))] =
                    static_cast<char>(random.index(3) > 0 ? '0' + random.index(10) : random.index(256));
            }
            CAPTURE(text);
            const support::caught found = support::error_of([&] {
                const tokenizer words = tokenizer::from_json(text, "made.json");
                (void)words.decode(words.encode(" the <a> \xff 12<s>\u0416"));
            });
            REQUIRE(found.code != "other");
            if (found.code != "none") REQUIRE(found.message.starts_with("made.json"));
        }
    }
}
