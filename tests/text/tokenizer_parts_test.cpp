// SPDX-License-Identifier: MIT
#include <earlyout/text/tokenizer.hpp>
#include <earlyout/text/tokenizer_parts.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "text/tokenizer_fixtures.hpp"

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace eo = earlyout;
using eo::errc;
using eo::token_id;
using eo::text::tokenizer;
using eo::text::tokenizer_parts;
using support::error_of;
using support::thrown;
using ids = std::vector<token_id>;
using kind = tokenizer_parts::kind;

const std::string lower_block = "\xe2\x96\x81";

std::string byte_piece(int byte) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    return std::string("<0x") + digits[static_cast<std::size_t>(byte / 16)] +
           digits[static_cast<std::size_t>(byte % 16)] + ">";
}

/// As in a GGUF file of a Llama: unknown, control, bytes, then scored pieces.
tokenizer_parts scored(const std::vector<std::pair<std::string, float>>& pieces) {
    tokenizer_parts made;
    made.source = "made.gguf";
    made.type = tokenizer_parts::algorithm::sentence_piece;
    made.pieces = {"<unk>", "<s>", "</s>"};
    made.kinds = {kind::unknown, kind::control, kind::control};
    for (int byte = 0; byte < 256; ++byte) {
        made.pieces.push_back(byte_piece(byte));
        made.kinds.push_back(kind::byte);
    }
    made.scores.assign(made.pieces.size(), 0.0f);
    for (const auto& [piece, score] : pieces) {
        made.pieces.push_back(piece);
        made.kinds.push_back(kind::normal);
        made.scores.push_back(score);
    }
    made.add_space_prefix = true;
    made.before = {1};
    return made;
}

/// Repeated search for the best pair, as in SentencePiece.
std::vector<std::string> merged_slowly(const std::string& text,
                                       const std::vector<std::pair<std::string, float>>& pieces) {
    std::vector<std::string> symbols;
    for (const char c : text) symbols.emplace_back(1, c);
    for (;;) {
        std::size_t best = symbols.size();
        float best_score = -std::numeric_limits<float>::infinity();
        for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
            for (const auto& [piece, score] : pieces) {
                if (piece == symbols[i] + symbols[i + 1] && score > best_score) {
                    best = i;
                    best_score = score;
                }
            }
        }
        if (best == symbols.size()) return symbols;
        symbols[best] += symbols[best + 1];
        symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
}

std::vector<std::string> pieces_of(const tokenizer& words, const ids& tokens) {
    std::vector<std::string> pieces;
    for (const token_id id : tokens) pieces.emplace_back(words.piece(id));
    return pieces;
}

}  // namespace

TEST_CASE("the parts of GPT-2 reproduce GPT-2's ids", "[tokenizer_parts]") {
    const support::json content = support::gpt2_json(2000);
    tokenizer_parts parts;
    parts.source = "made.gguf";
    parts.pieces.resize(content["model"]["vocab"].size());
    for (const auto& [piece, id] : content["model"]["vocab"].items()) parts.pieces[id.get<std::size_t>()] = piece;
    parts.kinds.assign(parts.pieces.size(), kind::normal);
    parts.kinds.back() = kind::control;
    parts.merges = content["model"]["merges"].get<std::vector<std::string>>();
    const tokenizer expected = support::tokenizer_of(content);
    const tokenizer found = tokenizer::from_parts(parts);
    const std::string text = "def add(a, b):\n    return a + b<|endoftext|>\xff caf\xc3\xa9 12345\n\n";
    CHECK(found.encode(text) == expected.encode(text));
    CHECK(found.decode(found.encode(text)) == text);
    CHECK(found.is_special(static_cast<token_id>(parts.pieces.size() - 1)));
    parts.patterns = {R"(\p{N})", R"( ?\p{L}+)"};
    CHECK(pieces_of(tokenizer::from_parts(parts), tokenizer::from_parts(parts).encode("12 34")) ==
          std::vector<std::string>{"1", "2", " ", "3", "4"});
    parts.whole_text = true;
    parts.patterns = {};
    CHECK(tokenizer::from_parts(parts).decode(tokenizer::from_parts(parts).encode(text)) == text);
}

TEST_CASE("the highest score has priority, then the leftmost pair", "[tokenizer_parts]") {
    const std::vector<std::pair<std::string, float>> pieces = {{"a", -9},   {"b", -9},   {"c", -9},    {"ab", -1},
                                                               {"bc", -1},  {"abc", -3}, {"ca", -2},   {"aa", -1},
                                                               {"aab", -2}, {"bca", -5}, {"cabc", -6}, {"aaaa", -4}};
    tokenizer_parts parts = scored(pieces);
    parts.add_space_prefix = false;
    const tokenizer words = tokenizer::from_parts(parts);
    support::random_source random(3);
    for (int round = 0; round < 500; ++round) {
        std::string text(1 + random.index(round % 10 == 0 ? 200 : 30), 'a');
        for (char& c : text) c = static_cast<char>('a' + random.index(3));
        CAPTURE(text);
        REQUIRE(pieces_of(words, words.encode(text)) == merged_slowly(text, pieces));
    }
}

TEST_CASE("a space is added before texts and removed again", "[tokenizer_parts]") {
    const tokenizer words =
        tokenizer::from_parts(scored({{lower_block, -9}, {"a", -9}, {"b", -9}, {lower_block + "a", -1}, {"ab", -2}}));
    const token_id a = words.find(" a").value();
    CHECK(words.encode("a") == ids{a});
    CHECK(words.encode("a", {.continues = true}) == ids{words.find("a").value()});
    CHECK(words.encode("a", {.add_special_tokens = true}) == ids{1, a});
    CHECK(words.encode("", {.add_special_tokens = true}) == ids{1});
    CHECK(words.encode("a<s>a") == ids{a, 1, a});
    CHECK(words.encode("<s>", {.special_tokens = false}).size() > 1);
    CHECK(words.decode(ids{a, a}) == "a a");
    CHECK(words.decode(ids{1, a}) == "<s> a");
    eo::text::stream_decoder decoder = words.continuation_stream();
    CHECK(decoder.push(a) == " a");
    decoder = words.stream();
    CHECK(decoder.push(a) == "a");
    CHECK(decoder.push(a) == " a");
    CHECK(decoder.finish().empty());
    CHECK(decoder.push(a) == "a");
}

TEST_CASE("characters without a token become their bytes", "[tokenizer_parts]") {
    tokenizer_parts parts = scored({{lower_block, -9}, {"a", -9}});
    const tokenizer words = tokenizer::from_parts(parts);
    support::random_source random(4);
    for (int round = 0; round < 200; ++round) {
        std::string text(random.index(40), '\0');
        for (char& c : text) c = static_cast<char>(random.index(3) > 0 ? random.index(256) : 'a');
        REQUIRE(words.decode(words.encode(text)) == text);
    }
    CHECK(words.encode("\xc3\xa9", {.continues = true}) == ids{3 + 0xc3, 3 + 0xa9});
    CHECK(words.find("a") == 3 + 256 + 1);  // not the byte
    // Without bytes there is only the unknown token.
    for (std::size_t i = 3; i < 259; ++i) parts.kinds[i] = kind::unused;
    CHECK(tokenizer::from_parts(parts).encode("a\xc3\xa9", {.continues = true}) == ids{3 + 256 + 1, 0});
}

TEST_CASE("a megabyte without a place to cut takes n log n time", "[tokenizer_parts]") {
    std::vector<std::pair<std::string, float>> pieces = {{lower_block, -99.0f}};
    std::string run = "a";
    for (int i = 0; i < 6; ++i, run += run) pieces.emplace_back(run, static_cast<float>(-i));
    const tokenizer words = tokenizer::from_parts(scored(pieces));
    const std::string text(1 << 20, 'a');
    CHECK(words.encode(text).size() == 1 + (1 << 20) / 32);  // a quadratic loop takes hours
    CHECK(words.decode(words.encode(text)) == text);
    CHECK(words.encode(std::string(1 << 20, ' ')).size() == (1 << 20) + 1);
}

TEST_CASE("parts that do not fit together are refused", "[tokenizer_parts]") {
    const auto error_after = [](auto change) {
        tokenizer_parts parts = scored({{lower_block, -9}, {"a", -9}, {"aa", -1}});
        change(parts);
        return error_of([&] { (void)tokenizer::from_parts(parts); });
    };
    const auto malformed = [](std::initializer_list<std::string_view> words) {
        return thrown{errc::malformed_file, words};
    };
    CHECK(error_after([](tokenizer_parts&) {}).code == "none");
    CHECK(error_after([](tokenizer_parts& p) { p.pieces.clear(); }) == malformed({"made.gguf", "pieces", "none"}));
    CHECK(error_after([](tokenizer_parts& p) { p.kinds.pop_back(); }) == malformed({"kinds", "262", "261"}));
    CHECK(error_after([](tokenizer_parts& p) { p.scores.pop_back(); }) == malformed({"scores", "262", "261"}));
    CHECK(error_after([](tokenizer_parts& p) { p.scores.clear(); }) == malformed({"merges or scores"}));
    CHECK(error_after([](tokenizer_parts& p) { p.scores[4] = std::nanf(""); }) == malformed({"NaN"}));
    CHECK(error_after([](tokenizer_parts& p) { p.kinds[7] = static_cast<kind>(9); }) == malformed({"kinds", "9"}));
    CHECK(error_after([](tokenizer_parts& p) { p.pieces[7] = "<0x4>"; }) == malformed({"piece 7", "<0x4>"}));
    CHECK(error_after([](tokenizer_parts& p) { p.pieces[260] = "\xff"; }) == malformed({"piece 260", "UTF-8"}));
    CHECK(error_after([](tokenizer_parts& p) { p.before = {262}; }) == malformed({"before", "262"}));
    CHECK(error_after([](tokenizer_parts& p) { p.behind = {-1}; }) == malformed({"behind", "-1"}));
    for (const std::string merge : {"", "aa", "a a a", "a b", "a ", " a"}) {
        CAPTURE(merge);
        CHECK(error_after([&](tokenizer_parts& p) { p.merges = {"a a", merge}; }) == malformed({"merge 1"}));
    }
    CHECK(error_of([] {
              tokenizer_parts parts;
              parts.source = "made.gguf";
              parts.pieces = support::spelled_bytes();
              parts.patterns = {"("};
              (void)tokenizer::from_parts(parts);
          }) == thrown(errc::unsupported, {"made.gguf: pattern"}));
}
