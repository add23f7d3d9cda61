// SPDX-License-Identifier: MIT
#include <earlyout/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "text/tokenizer_fixtures.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace eo = earlyout;
using eo::errc;
using eo::token_id;
using eo::text::tokenizer;
using support::error_of;
using support::example_tokenizer;
using support::from_base64;
using support::gpt2_json;
using support::gpt2_tokenizer;
using support::json;
using support::thrown;
using support::tokenizer_data;
using support::tokenizer_json;
using support::tokenizer_of;
using ids = std::vector<token_id>;

/// Runs a file's golden cases; returns how many there were.
std::size_t check_cases(const tokenizer& words, const json& cases) {
    for (const json& one : cases) {
        const std::string text = from_base64(one.at("text").get_ref<const std::string&>());
        CAPTURE(text);
        CHECK(words.encode(text) == one.at("ids").get<ids>());
    }
    return cases.size();
}

json split_by(const std::string& expression) {
    return {{"type", "Sequence"},
            {"pretokenizers",
             {{{"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", "Isolated"}, {"invert", false}},
              {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
}

double seconds_of(const auto& action) {
    const auto start = std::chrono::steady_clock::now();
    action();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("ids are GPT-2's own", "[tokenizer]") {
    REQUIRE(gpt2_tokenizer().size() == 50257);
    CHECK(check_cases(gpt2_tokenizer(), json::parse(tokenizer_data("gpt2.json"))) > 400);
}

TEST_CASE("other files reproduce Hugging Face's ids", "[tokenizer]") {
    const json variants = json::parse(tokenizer_data("variants.json"));
    CHECK(variants.size() > 20);
    for (const json& variant : variants) {
        INFO(variant.at("name"));
        json content = gpt2_json(variant.at("merges"));
        content.merge_patch(variant.at("change"));
        CHECK(check_cases(tokenizer_of(content), variant.at("cases")) >= 40);
    }
}

TEST_CASE("any bytes round trip", "[tokenizer]") {
    support::random_source random(11);
    const tokenizer with_split = [] {
        json content = gpt2_json(1000);
        content["pre_tokenizer"] = split_by(R"(\p{N}{1,3}| ?\p{L}+|\s+)");
        return tokenizer_of(content);
    }();
    for (int round = 0; round < 600; ++round) {
        std::string text(random.index(200), '\0');
        const bool mostly_text = round % 2 == 0;
        for (char& c : text) {
            c = static_cast<char>(mostly_text && random.index(8) > 0 ? 32 + random.index(95) : random.index(256));
        }
        CAPTURE(round);
        for (const tokenizer* words : {&example_tokenizer(), &gpt2_tokenizer(), &with_split}) {
            REQUIRE(words->decode(words->encode(text)) == text);
        }
    }
    for (int byte = 0; byte < 256; ++byte) {
        const std::string one(1, static_cast<char>(byte));
        CHECK(gpt2_tokenizer().encode(one).size() == 1);
        CHECK(gpt2_tokenizer().decode(gpt2_tokenizer().encode(one)) == one);
    }
}

TEST_CASE("bytes that are not UTF-8 do not change the text around them", "[tokenizer]") {
    const tokenizer& words = gpt2_tokenizer();
    for (const std::string invalid : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe6\xbc", "\x80\x80"}) {
        ids expected = words.encode("def add");
        const ids middle = words.encode(invalid);
        const ids behind = words.encode(" return  x");
        expected.insert(expected.end(), middle.begin(), middle.end());
        expected.insert(expected.end(), behind.begin(), behind.end());
        CHECK(words.encode("def add" + invalid + " return  x") == expected);
    }
}

TEST_CASE("the embedded model's tokenizer encodes code", "[tokenizer]") {
    const tokenizer& words = example_tokenizer();
    CHECK(words.size() == 4096);
    CHECK(words.find("<|endoftext|>") == 4095);
    const std::string text = "def add(a, b):\n    return a + b\n";
    CHECK(words.encode(text).size() < text.size() / 2);
    CHECK(words.encode("a<|endoftext|>").back() == 4095);
    CHECK(words.max_piece_size() >= 16);
}

TEST_CASE("pieces are bytes", "[tokenizer]") {
    const tokenizer& words = gpt2_tokenizer();
    CHECK(words.piece(262) == " the");
    CHECK(words.find(" the") == 262);
    CHECK(words.find("\n") == 198);
    CHECK(words.piece(198) == "\n");
    CHECK(words.find("no such piece") == std::nullopt);
    std::size_t longest = 0;
    for (token_id id = 0; id < 50257; ++id) longest = std::max(longest, words.piece(id).size());
    CHECK(words.max_piece_size() == longest);
    CHECK(words.decode({}).empty());
}

TEST_CASE("an unknown id is refused", "[tokenizer]") {
    const tokenizer& words = gpt2_tokenizer();
    for (const token_id id : {-1, 50257, 1 << 30}) {
        CHECK(error_of([&] {
                  (void)words.decode(ids{262, id});
              }) == thrown(errc::out_of_range, {std::to_string(id), "50257"}));
        CHECK(error_of([&] { (void)words.piece(id); }) == thrown(errc::out_of_range, {"made.json"}));
        CHECK_FALSE(words.is_special(id));
    }
    json content = tokenizer_json({});
    content["added_tokens"][0]["id"] = content["model"]["vocab"]["<|endoftext|>"] = 300;
    const tokenizer holes = tokenizer_of(content);
    CHECK(holes.size() == 301);
    CHECK(error_of([&] { (void)holes.piece(256); }) == thrown(errc::out_of_range, {"256"}));
}

TEST_CASE("special tokens are text if requested", "[tokenizer]") {
    const tokenizer& words = gpt2_tokenizer();
    CHECK(words.is_special(50256));
    CHECK_FALSE(words.is_special(262));
    CHECK(words.encode("<|endoftext|>") == ids{50256});
    const ids plain = words.encode("<|endoftext|>", {.special_tokens = false});
    CHECK(plain.size() > 1);
    CHECK(words.decode(plain) == "<|endoftext|>");
    // Tokens that are not special are found either way.
    json content = tokenizer_json({});
    content["added_tokens"].push_back({{"id", 257}, {"content", "<x>"}, {"special", false}});
    CHECK(tokenizer_of(content).encode("<x>", {.special_tokens = false}) == ids{257});
}

TEST_CASE("an added token is its own text, also outside of the byte alphabet", "[tokenizer]") {
    json content = tokenizer_json({});
    token_id id = 257;
    for (const std::string text : {"\xc3\xa9\xc3\xa9", "\xe2\x96\x81", "a b"}) {
        content["added_tokens"].push_back({{"id", id++}, {"content", text}, {"special", false}});
    }
    const tokenizer words = tokenizer_of(content);
    CHECK(words.encode("x\xc3\xa9\xc3\xa9\xe2\x96\x81 a b") == ids{87, 257, 258, 220, 259});
    CHECK(words.decode(ids{257, 258, 259}) ==
          "\xc3\xa9\xc3\xa9\xe2\x96\x81"
          "a b");
}

TEST_CASE("merges may be strings or pairs", "[tokenizer]") {
    json content = tokenizer_json({"a b", "ab c", "Ġ Ġ"});
    const ids expected = tokenizer_of(content).encode("abcab  x");
    CHECK(expected == ids{257, 256, 220, 220, 87});
    content["model"]["merges"] = json::parse(R"([["a", "b"], ["ab", "c"], ["Ġ", "Ġ"]])");
    CHECK(tokenizer_of(content).encode("abcab  x") == expected);
}

TEST_CASE("long words take little time", "[tokenizer]") {
    constexpr std::size_t size = 1 << 20;
    std::string mixed;
    for (std::size_t i = 0; i < size; ++i) mixed += static_cast<char>('a' + i * i % 23 % 7);
    for (const std::string& text : {std::string(size, ' '), std::string(size, 'a'), std::string(size, '\xff'), mixed,
                                    std::string(size, '-'), std::string(size, '\n') + "x"}) {
        ids found;
        CHECK(seconds_of([&] { found = gpt2_tokenizer().encode(text); }) < 10.0);  // a quadratic loop takes hours
        CHECK(gpt2_tokenizer().decode(found) == text);
    }
}

TEST_CASE("a pattern that needs too many steps ends with an error", "[tokenizer]") {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"(a|a)*b", "!b"}, {"(a*)*c", "!c"}, {"(?:a+)+$x", "!x"}, {"a(?=.*[bx])(?=.*[cy])", "b"}};
    for (const auto& [expression, end] : cases) {
        json content = tokenizer_json({});
        content["pre_tokenizer"] = split_by(expression);
        const tokenizer words = tokenizer_of(content);
        CAPTURE(expression);
        const std::string text = std::string(20000, 'a') + end;
        support::caught found;
        CHECK(seconds_of([&] { found = error_of([&] { (void)words.encode(text); }); }) < 20.0);
        CHECK(found == thrown(errc::unsupported, {"made.json", "Regex"}));
        CHECK(words.decode(words.encode("aab")) == "aab");  // and works on others
    }
}

TEST_CASE("one tokenizer serves many threads and survives a move", "[tokenizer]") {
    std::optional<tokenizer> first = tokenizer_of(gpt2_json(1000));
    const std::string_view piece = first->piece(262);
    eo::text::stream_decoder decoder = first->stream();
    const tokenizer moved = *std::move(first);
    first.reset();
    CHECK(piece == " the");
    CHECK(decoder.push(262) == " the");
    const std::string text = "for i in range(10):\n    print('\xf0\x9f\x98\x80', i)\n";
    const ids expected = moved.encode(text);
    std::vector<ids> found(4);
    std::vector<std::thread> threads;
    for (ids& own : found) {
        threads.emplace_back([&] {
            for (int i = 0; i < 50; ++i) own = moved.encode(text);
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (const ids& own : found) CHECK(own == expected);
}

TEST_CASE("a tokenizer without tokens refuses texts", "[tokenizer]") {
    const tokenizer none("model/tokenizer.json");
    CHECK(none.size() == 0);
    CHECK(error_of([&] { (void)none.encode("a"); }) == thrown(errc::no_such_file, {"model/tokenizer.json"}));
    CHECK(error_of([&] { (void)none.decode(ids{0}); }) == thrown(errc::out_of_range, {"model/tokenizer.json"}));
    CHECK(none.stream().push(3).empty());
}
