// SPDX-License-Identifier: MIT
// Stop strings that are special tokens, or hold one.
#include <earlyout/generate/detail/text_stream.hpp>
#include <earlyout/generate/session.hpp>

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;

namespace {

using stream = eo::detail::text_stream<text_model>;

/// The shown text of a completion of these tokens, by searching all of the text after every token.
struct expected_text {
    std::string text;
    std::size_t tokens = 0;  ///< consumed; the last of them completed a stop string
    bool found = false;
};

expected_text expect(const ids& tokens, const std::vector<std::string>& stops) {
    expected_text made;
    std::string marked;                     // with the text of special tokens
    std::vector<std::size_t> shown_before;  // of each byte of it
    auto decoder = toy_tokenizer{}.stream();
    for (const eo::token_id id : tokens) {
        ++made.tokens;
        const bool special = id == toy_tokenizer::special;
        const std::string_view piece = special ? toy_tokenizer::special_text : decoder.push(id);
        for (const char c : piece) {
            marked += c;
            shown_before.push_back(made.text.size());
            if (!special) made.text += c;
        }
        std::size_t cut = std::string::npos;
        for (const std::string& stop : stops) {
            cut = std::min(cut, made.text.find(stop));
            const std::size_t at = marked.find(stop);
            if (at != std::string::npos) cut = std::min(cut, shown_before[at]);
        }
        if (cut == std::string::npos) continue;
        made.found = true;
        // What the decoder holds back is text before a special token, and behind the start of anything else.
        const bool all_of_it = special && cut == made.text.size();
        made.text.resize(cut);
        if (all_of_it) made.text += decoder.finish();
        return made;
    }
    made.text += decoder.finish();
    return made;
}

ids random_tokens(std::mt19937& engine) {
    ids made(1 + engine() % 12);
    for (auto& id : made) {
        id = engine() % 4 == 0 ? toy_tokenizer::special : static_cast<eo::token_id>(engine() % 96);
    }
    return made;
}

std::string random_stop(std::mt19937& engine) {
    std::string made;
    do {
        for (std::size_t left = engine() % 3; left != 0; --left) made += "abcd"[engine() % 4];
        if (engine() % 2 == 0) made += toy_tokenizer::special_text;
        for (std::size_t left = engine() % 3; left != 0; --left) made += "abcd"[engine() % 4];
    } while (made.empty());
    return made;
}

}  // namespace

TEST_CASE("stop strings with special tokens in them cut where a search of the whole text does",
          "[generate][text_stream]") {
    const text_model model;
    std::mt19937 engine(1);
    stream made(model, 12);
    std::size_t found = 0, at_special = 0;
    for (int round = 0; round < 20000; ++round) {
        const ids tokens = random_tokens(engine);
        std::vector<std::string> stops(1 + engine() % 3);
        for (std::string& stop : stops) stop = random_stop(engine);
        const expected_text expected = expect(tokens, stops);
        CAPTURE(round, tokens, stops);
        made.prepare(stops);
        made.restart(stops);
        std::string shown;
        std::size_t used = 0;
        bool stopped = false;
        while (used < tokens.size() && !stopped) {
            const eo::token_id id = tokens[used++];
            stopped = made.push(id, false);
            if (stopped || used == tokens.size()) made.end();
            shown += made.take_shown();
        }
        REQUIRE(stopped == expected.found);
        REQUIRE(used == expected.tokens);
        REQUIRE(made.text() == expected.text);
        REQUIRE(shown == expected.text);
        found += stopped;
        at_special += stopped && tokens[used - 1] == toy_tokenizer::special;
    }
    CHECK(found > 2000);
    CHECK(at_special > 500);
}

TEST_CASE("a stop string that is a special token ends a completion at that token", "[generate][text_stream]") {
    const text_model model;
    std::mt19937 engine(2);
    eo::session s{model};
    std::size_t seen = 0;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        eo::generate_options options{.max_new_tokens = 40, .temperature = 1.5f, .seed = seed};
        const ids prompt = random_prompt(engine, 5, 90);
        const ids whole = s.complete(prompt, options).ids;
        const auto special = std::ranges::find(whole, toy_tokenizer::special);
        if (special == whole.end()) continue;
        ++seen;
        const ids until(whole.begin(), special + 1);
        options.stop_strings = {"zzz", std::string(toy_tokenizer::special_text)};
        const eo::completion made = s.complete(prompt, options);
        CHECK(made.finish_reason == eo::finish_reason::stop_string);
        CHECK(made.ids == until);
        CHECK(made.text == text_of(until));
        CHECK(made.unstreamed.empty());
        // Rolled back and sampled again, and where the token would have ended the text anyway.
        s.rollback(made.ids.size() / 2);
        CHECK_FALSE(s.finish_reason());
        while (s.next()) {
        }
        CHECK(s.finish_reason() == eo::finish_reason::stop_string);
        CHECK(s.text() == made.text);
        options.end_of_text = ids{toy_tokenizer::special};
        CHECK(s.complete(prompt, options).finish_reason == eo::finish_reason::stop_string);
        CHECK(s.text() == made.text);
    }
    CHECK(seen > 5);
}

TEST_CASE("stop strings that can never appear are refused", "[generate][text_stream]") {
    eo::session s{small_network()};
    CHECK(error_of([&] { s.start(ids{1}, {.stop_strings = {"x"}}); }) ==
          thrown(eo::errc::invalid_argument, {"stop strings", "tokenizer"}));
}
