// SPDX-License-Identifier: MIT
#include <earlyout/io/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

#include <string>
#include <vector>

namespace {

namespace eo = earlyout;
using eo::errc;
using eo::io::tokenizer;
using support::error_of;
using support::thrown;

const std::string example_file = EARLYOUT_EXAMPLE_MODEL "/tokenizer.json";

const tokenizer& example() {
    static const tokenizer words = tokenizer::from_file(example_file);
    return words;
}

}  // namespace

TEST_CASE("the embedded model's tokenizer encodes code and gives it back", "[tokenizer]") {
    const tokenizer& words = example();
    CHECK(words.size() == 4096);
    CHECK(words.is_special(4095));
    CHECK_FALSE(words.is_special(0));
    CHECK(words.find("<|endoftext|>") == 4095);
    const std::string text = "def add(a, b):\n    return a + b\n";
    const auto ids = words.encode(text);
    CHECK(ids.size() < text.size() / 2);
    CHECK(words.decode(ids) == text);
}

TEST_CASE("any bytes round trip", "[tokenizer]") {
    support::random_source random(11);
    for (int round = 0; round < 300; ++round) {
        std::string text(random.index(200), '\0');
        const bool mostly_text = round % 2 == 0;
        for (char& c : text)
            c = static_cast<char>(mostly_text && random.index(8) > 0 ? 32 + random.index(95) : random.index(256));
        CAPTURE(round);
        REQUIRE(example().decode(example().encode(text)) == text);
    }
}
