// SPDX-License-Identifier: MIT
#include <earlyout/text/stream_decoder.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "text/tokenizer_fixtures.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace eo = earlyout;
using eo::token_id;
using eo::text::stream_decoder;
using eo::text::tokenizer;
using ids = std::vector<token_id>;

/// One token per byte.
ids byte_ids(const std::string& text) {
    ids found;
    for (const char c : text) found.push_back(support::gpt2_tokenizer().find({&c, 1}).value());
    return found;
}

/// The output of each push and of the end.
std::vector<std::string> shown(stream_decoder& decoder, const ids& tokens) {
    std::vector<std::string> parts;
    for (const token_id id : tokens) parts.emplace_back(decoder.push(id));
    parts.emplace_back(decoder.finish());
    return parts;
}

std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) text += part;
    return text;
}

using parts = std::vector<std::string>;

}  // namespace

TEST_CASE("a character is returned when its last byte has arrived", "[stream_decoder]") {
    stream_decoder decoder = support::gpt2_tokenizer().stream();
    CHECK(shown(decoder, byte_ids("a\xc3\xa9z")) == parts{"a", "", "\xc3\xa9", "z", ""});
    CHECK(shown(decoder, byte_ids("\xe2\x82\xac")) == parts{"", "", "\xe2\x82\xac", ""});
    CHECK(shown(decoder, byte_ids("\xf0\x9f\x98\x80!")) == parts{"", "", "", "\xf0\x9f\x98\x80", "!", ""});
}

TEST_CASE("bytes that never become a character pass through at once", "[stream_decoder]") {
    stream_decoder decoder = support::gpt2_tokenizer().stream();
    CHECK(shown(decoder, byte_ids("\x80\xff\xc0\xc1\xf5")) == parts{"\x80", "\xff", "\xc0", "\xc1", "\xf5", ""});
    CHECK(shown(decoder, byte_ids("\xe2\x28")) == parts{"", "\xe2\x28", ""});
    CHECK(shown(decoder, byte_ids("\xe2\x82\xe2\x82")) == parts{"", "", "\xe2\x82", "", "\xe2\x82"});
    // Overlong, a surrogate, above U+10FFFF: wrong from the second byte on.
    CHECK(shown(decoder, byte_ids("\xe0\x80\x80")) == parts{"", "\xe0\x80", "\x80", ""});
    CHECK(shown(decoder, byte_ids("\xed\xa0\x80")) == parts{"", "\xed\xa0", "\x80", ""});
    CHECK(shown(decoder, byte_ids("\xf4\x90\x80\x80")) == parts{"", "\xf4\x90", "\x80", "\x80", ""});
}

TEST_CASE("finish returns what was held back, and a new text begins", "[stream_decoder]") {
    stream_decoder decoder = support::gpt2_tokenizer().stream();
    CHECK(shown(decoder, byte_ids("a\xf0\x9f\x98")) == parts{"a", "", "", "", "\xf0\x9f\x98"});
    CHECK(decoder.finish().empty());
    CHECK(shown(decoder, byte_ids("\x80")) == parts{"\x80", ""});
    for (const token_id id : byte_ids("\xf0\x9f")) CHECK(decoder.push(id).empty());
    decoder.reset();
    CHECK(decoder.finish().empty());
    CHECK(decoder.push(262) == " the");
}

TEST_CASE("an unknown id has no text and loses none", "[stream_decoder]") {
    stream_decoder decoder = support::gpt2_tokenizer().stream();
    const ids euro = byte_ids("\xe2\x82\xac");
    CHECK(shown(decoder, {euro[0], -1, euro[1], 50257, 1 << 30, euro[2]}) ==
          parts{"", "", "", "", "", "\xe2\x82\xac", ""});
}

TEST_CASE("the output is the decoded text, however it is split into tokens", "[stream_decoder]") {
    const tokenizer& words = support::gpt2_tokenizer();
    support::random_source random(5);
    const std::vector<std::string> bits = {"a",    " the",     "\xc3\xa9", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80",
                                           "\xff", "\xe2\x82", "\x80",     "\xf0\x9f",     "\n"};
    for (int round = 0; round < 400; ++round) {
        std::string text;
        for (std::size_t i = random.index(12); i > 0; --i) text += bits[random.index(bits.size())];
        // Encode runs of random length separately: every way to split occurs.
        ids tokens;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t size = 1 + random.index(6);
            const ids run = words.encode(std::string_view(text).substr(at, size));
            tokens.insert(tokens.end(), run.begin(), run.end());
            at += size;
        }
        CAPTURE(text);
        REQUIRE(words.decode(tokens) == text);
        stream_decoder decoder = words.stream();
        std::string pushed, so_far;
        for (const token_id id : tokens) {
            pushed += words.piece(id);
            so_far += decoder.push(id);
            // All but the incomplete start of a character, and nothing more.
            REQUIRE(pushed.starts_with(so_far));
            REQUIRE(pushed.size() - so_far.size() == eo::text::detail::incomplete_utf8_suffix(pushed));
        }
        so_far += decoder.finish();
        REQUIRE(so_far == text);
    }
    const ids all = [] {
        ids every(50257);
        for (std::size_t id = 0; id < every.size(); ++id) every[id] = static_cast<token_id>(id);
        return every;
    }();
    stream_decoder decoder = words.stream();
    CHECK(joined(shown(decoder, all)) == words.decode(all));
}

TEST_CASE("a copied or moved decoder continues where it was", "[stream_decoder]") {
    const ids euro = byte_ids("\xe2\x82\xac");
    stream_decoder first = support::gpt2_tokenizer().stream();
    CHECK(first.push(euro[0]).empty());
    CHECK(first.push(euro[1]).empty());
    stream_decoder second = first;
    CHECK(second.push(euro[2]) == "\xe2\x82\xac");
    stream_decoder third = std::move(first);
    CHECK(third.push(euro[2]) == "\xe2\x82\xac");
}
