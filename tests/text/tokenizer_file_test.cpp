// SPDX-License-Identifier: MIT
// Errors for broken or foreign tokenizer files.
#include <earlyout/io/tokenizer_file.hpp>
#include <earlyout/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "text/tokenizer_fixtures.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace eo = earlyout;
using eo::errc;
using eo::text::tokenizer;
using support::caught;
using support::error_of;
using support::json;
using support::thrown;

caught error_from_text(std::string_view text) {
    return error_of([&] { (void)tokenizer::from_json(text, "made.json"); });
}

/// The error for a good file after `change`.
caught error_after(const std::function<void(json&)>& change) {
    json content = support::tokenizer_json({"a b", "ab c"});
    change(content);
    return error_from_text(content.dump());
}

thrown malformed(std::initializer_list<std::string_view> words) { return {errc::malformed_file, words}; }
thrown unsupported(std::initializer_list<std::string_view> words) { return {errc::unsupported, words}; }

}  // namespace

TEST_CASE("the file that these tests break is valid", "[tokenizer_file]") {
    CHECK(error_after([](json&) {}).code == "none");
}

TEST_CASE("a missing file, or a path that is not a file, is named", "[tokenizer_file]") {
    for (const std::string path : {"/no/such/tokenizer.json", EARLYOUT_TEST_DATA}) {
        CHECK(error_of([&] { (void)eo::io::load_tokenizer(path); }) == thrown(errc::no_such_file, {path}));
    }
}

TEST_CASE("text that is not JSON is refused", "[tokenizer_file]") {
    const std::string good = support::tokenizer_json({"a b"}).dump();
    for (const std::string& text : {std::string(), std::string("{"), std::string("\0\0", 2), std::string("\xff\xfe"),
                                    good + "x", good.substr(0, good.size() / 2), std::string("{\"a\":\"\xff\"}"),
                                    std::string(100000, '['), std::string("nul")}) {
        CHECK(error_from_text(text) == malformed({"made.json"}));
    }
    for (const std::string text : {"null", "[]", "3", "\"a\"", "{}", "{\"model\":3}", "{\"model\":{}}"}) {
        CHECK(error_from_text(text) == malformed({"made.json", "expected"}));
    }
}

TEST_CASE("every truncation of a file is refused", "[tokenizer_file]") {
    const std::string good = support::tokenizer_json({"a b", "ab c"}).dump();
    for (std::size_t size = 0; size < good.size(); size += 7) {
        REQUIRE(error_from_text(std::string_view(good).substr(0, size)) == malformed({"made.json"}));
    }
}

TEST_CASE("ids must be ids of one token each", "[tokenizer_file]") {
    const auto with_id = [](const json& id) {
        return error_after([&](json& content) { content["model"]["vocab"]["abc"] = id; });
    };
    for (const json& id : {json(-1), json(1099511627776), json(2147483648), json(UINT64_MAX), json(1e300), json(5.5),
                           json("5"), json(nullptr), json::array(), json(100000)}) {
        CHECK(with_id(id) == malformed({"made.json", "vocab", "'abc'", "expected an id"}));
    }
    CHECK(with_id(0) == malformed({"made.json", "twice"}));
    CHECK(error_after([](json& c) {
              c["added_tokens"].push_back({{"id", 1LL << 40}, {"content", "<x>"}});
          }) == malformed({"added_tokens[1]: id", "1099511627776"}));
    CHECK(error_after([](json& c) {
              c["added_tokens"].push_back({{"content", "<x>"}});
          }) == malformed({"added_tokens[1]: id", "an id", "null"}));
}

TEST_CASE("added tokens must be readable", "[tokenizer_file]") {
    const auto with = [](const char* key, const json& value) {
        return error_after([&](json& content) { content["added_tokens"][0][key] = value; });
    };
    CHECK(with("content", std::string(2000, 'x')) == malformed({"1024"}));
    CHECK(with("content", 7) == malformed({"expected a string, found 7"}));
    for (const char* key : {"special", "single_word", "lstrip", "rstrip", "normalized"}) {
        CHECK(with(key, "yes") == malformed({key, "true or false"}));
    }
    CHECK(error_after([](json& c) { c["added_tokens"] = {{"a", 1}}; }) == malformed({"added_tokens", "an array"}));
    CHECK(error_after([](json& c) { c["added_tokens"][0] = 1; }) == malformed({"added_tokens[0]", "an object"}));
}

TEST_CASE("a vocabulary is an object", "[tokenizer_file]") {
    CHECK(error_after([](json& c) {
              c.erase("added_tokens");
              c["model"]["vocab"] = json::array();
          }) == malformed({"vocab", "an object"}));
}

TEST_CASE("merges must name pieces", "[tokenizer_file]") {
    const auto with = [](const json& merge) {
        return error_after([&](json& content) { content["model"]["merges"].push_back(merge); });
    };
    CHECK(with("a zz") == malformed({"merges[2]", "'zz'"}));
    CHECK(with("x y") == malformed({"merges[2]", "'xy'"}));
    for (const json& merge : {json("ab"), json("a b c"), json(""), json(3), json({"a"}), json({"a", "b", "c"}),
                              json::array({"a", 1}), json(nullptr), json::object()}) {
        CHECK(with(merge) == malformed({"merges[2]", "two pieces"}));
    }
    for (const json& merge : {json(" "), json("a "), json(" a"), json::array({"", "a"})}) {
        CHECK(with(merge) == malformed({"merges[2]", "pieces of the vocabulary"}));
    }
    CHECK(error_after([](json& c) { c["model"].erase("merges"); }) == malformed({"merges", "an array", "null"}));
}

TEST_CASE("anything that needs more than a BPE is refused", "[tokenizer_file]") {
    const auto model = [](const char* key, const json& value) {
        return error_after([&](json& content) { content["model"][key] = value; });
    };
    CHECK(model("type", "Unigram") == unsupported({"type", "BPE or WordLevel", "Unigram"}));
    CHECK(model("type", "WordLevel") == malformed({"unk_token", "a string"}));
    CHECK(error_after([](json& c) {
              c["model"]["type"] = "WordLevel";
              c["model"]["unk_token"] = "?!";
          }) == malformed({"unk_token", "a piece of the vocabulary", "?!"}));
    CHECK(model("byte_fallback", true).code == "none");
    CHECK(error_after([](json& c) {
              c["model"]["byte_fallback"] = true;
              c["model"]["vocab"].erase("z");
          }).code == "none");
    CHECK(error_after([](json& c) {
              c["model"]["byte_fallback"] = true;
              c["model"]["vocab"].erase("z");
              c["model"]["vocab"]["<0x7A>"] = 300;
          }) == unsupported({"byte_fallback", "lacks bytes", "<0x7A>"}));
    CHECK(model("dropout", 0.1) == unsupported({"dropout"}));
    CHECK(model("continuing_subword_prefix", "##") == unsupported({"continuing_subword_prefix"}));
    CHECK(model("end_of_word_suffix", "</w>") == unsupported({"end_of_word_suffix"}));
    CHECK(model("ignore_merges", 1) == malformed({"ignore_merges"}));
    const auto root = [](const char* key, const json& value) {
        return error_after([&](json& content) { content[key] = value; });
    };
    CHECK(root("normalizer", {{"type", "Lowercase"}}) == unsupported({"normalizer: type", "NFC", "Lowercase"}));
    CHECK(root("normalizer", {{"type", "NFC"}}).code == (eo::text::detail::has_unicode_forms ? "none" : "unsupported"));
    CHECK(root("normalizer", {{"type", "Sequence"}, {"normalizers", json::array()}}).code == "none");
    CHECK(root("decoder", {{"type", "WordPiece"}}) == unsupported({"decoder", "WordPiece"}));
    CHECK(root("decoder", nullptr).code == "none");
    CHECK(root("pre_tokenizer", nullptr) == unsupported({"pre_tokenizer", "ByteLevel"}));
    CHECK(root("pre_tokenizer", {{"type", "Whitespace"}}) == unsupported({"pre_tokenizer", "ends with ByteLevel"}));
    CHECK(root("pre_tokenizer", {{"type", "BertPreTokenizer"}}) ==
          unsupported({"pre_tokenizer", "Metaspace", "UnicodeScripts", "BertPreTokenizer"}));
    CHECK(root("pre_tokenizer", 3) == malformed({"pre_tokenizer"}));
}

TEST_CASE("unsupported pre-tokenizers are refused", "[tokenizer_file]") {
    const json bytes = {{"type", "ByteLevel"}, {"use_regex", false}};
    const auto steps = [](const json& list) {
        return error_after([&](json& content) {
            content["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", list}};
        });
    };
    const auto split = [&](const json& pattern, const json& behavior) {
        return steps(json::array({{{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}}, bytes}));
    };
    const auto expression = [&](const std::string& text) { return split({{"Regex", text}}, "Isolated"); };
    CHECK(expression("a+").code == "none");
    CHECK(steps(json::array()) == unsupported({"ByteLevel"}));
    CHECK(steps(json::array({bytes, {{"type", "Digits"}}})) == unsupported({"pretokenizers[1]", "after ByteLevel"}));
    CHECK(split({{"Regex", "a"}}, "Shuffled") == unsupported({"behavior", "Shuffled"}));
    CHECK(split({{"Regex", 3}}, "Isolated") == malformed({"Regex", "a string"}));
    CHECK(split(json::object(), "Isolated") == malformed({"Regex", "a string", "null"}));
    for (const std::string text : {"(", "[a", "a{2,1}", "\\", "\\p{NoSuch}", "(?<=a+)b", "\\C", "[\\p{L"}) {
        CAPTURE(text);
        CHECK(expression(text) == unsupported({"Regex", "at byte"}));
    }
    // The files' engine and ours interpret it differently.
    for (const std::string text : {"\\p{N}{1,3}+", "[a[bc]]", "[a-d&&b]", "[^\\W]", "[]a]"}) {
        CAPTURE(text);
        CHECK(expression(text) == unsupported({"Regex", "expected a pattern without", "at byte"}));
    }
    CHECK(expression(std::string(40000, 'a')) == unsupported({"Regex"}));
    CHECK(expression(std::string(10000, '(')) == unsupported({"Regex"}));
    json nested = bytes;
    for (int depth = 0; depth < 20; ++depth) nested = {{"type", "Sequence"}, {"pretokenizers", json::array({nested})}};
    CHECK(steps(json::array({nested})) == malformed({"made.json"}));
}

namespace {

/// The error for a good file over characters after `change`.
caught error_over_characters(const std::function<void(json&)>& change) {
    const json metaspace = {{"type", "Metaspace"}, {"replacement", "\xe2\x96\x81"}, {"prepend_scheme", "first"}};
    json model = support::character_model({"a", "b", "\xe2\x96\x81"}, {"a b"});
    model.update({{"byte_fallback", true}, {"unk_token", "<unk>"}});
    json content = {{"pre_tokenizer", metaspace}, {"decoder", metaspace}, {"model", model}};
    change(content);
    return error_from_text(content.dump());
}

}  // namespace

TEST_CASE("a vocabulary over characters must be consistent", "[tokenizer_file]") {
    CHECK(error_over_characters([](json&) {}).code == "none");
    const auto model = [](const char* key, const json& value) {
        return error_over_characters([&](json& content) { content["model"][key] = value; });
    };
    CHECK(model("unk_token", "<none>") == malformed({"unk_token", "of the vocabulary", "<none>"}));
    CHECK(model("unk_token", 3) == malformed({"unk_token", "a string"}));
    CHECK(model("byte_fallback", "yes") == malformed({"byte_fallback", "true or false"}));
    CHECK(model("fuse_unk", 1) == malformed({"fuse_unk", "true or false"}));
    CHECK(model("merges", {"a c"}) == malformed({"merges[0]", "'c'"}));
    CHECK(model("merges", {"a \xe2\x96\x81"}) == malformed({"merges[0]"}));
    CHECK(model("vocab", json::array()) == malformed({"vocab", "an object"}));
    const auto spaces = [](const char* key, const json& value) {
        return error_over_characters([&](json& content) { content["pre_tokenizer"][key] = value; });
    };
    CHECK(spaces("replacement", "ab") == malformed({"replacement", "one character"}));
    CHECK(spaces("replacement", "") == malformed({"replacement", "one character"}));
    CHECK(spaces("prepend_scheme", "last") == malformed({"prepend_scheme", "first"}));
    CHECK(spaces("add_prefix_space", false) == malformed({"prepend_scheme", "add_prefix_space is false"}));
    CHECK(spaces("split", 1) == malformed({"split"}));
    CHECK(error_over_characters([](json& c) {
              c["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {c["pre_tokenizer"], c["pre_tokenizer"]}}};
          }) == unsupported({"pretokenizers[1]", "a second Metaspace"}));
}

TEST_CASE("normalizers must be readable", "[tokenizer_file]") {
    const auto with = [](const json& normalizer) {
        return error_over_characters([&](json& content) { content["normalizer"] = normalizer; });
    };
    const auto replace = [&](const json& pattern, const json& content) {
        return with({{"type", "Replace"}, {"pattern", pattern}, {"content", content}});
    };
    CHECK(with({{"type", "Prepend"}, {"prepend", 3}}) == malformed({"prepend", "a string"}));
    CHECK(with({{"type", "Prepend"}, {"prepend", std::string(65, 'x')}}) == malformed({"prepend", "64 bytes"}));
    CHECK(with({{"type", "Prepend"}}) == malformed({"prepend", "null"}));
    CHECK(with({{"type", "Strip"}, {"strip_left", 3}}) == malformed({"strip_left"}));
    CHECK(with(json::array()) == malformed({"normalizer", "an object"}));
    CHECK(with({{"type", "Precompiled"}, {"precompiled_charsmap", ""}}) == unsupported({"Precompiled"}));
    CHECK(replace({{"String", ""}}, "x") == malformed({"String", "a non-empty text"}));
    CHECK(replace({{"String", "x"}}, std::string(65, 'x')) == malformed({"content", "64 bytes"}));
    CHECK(replace({{"Regex", "("}}, "x") == unsupported({"Regex", "at byte"}));
    CHECK(replace(json::object(), "x") == malformed({"Regex", "a string"}));
    json nested = {{"type", "Strip"}};
    for (int depth = 0; depth < 20; ++depth) nested = {{"type", "Sequence"}, {"normalizers", json::array({nested})}};
    CHECK(with(nested) == malformed({"8 levels"}));
}

TEST_CASE("a text that a normalizer expands beyond the limit is refused", "[tokenizer_file]") {
    const json twice = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(64, 'a')}};
    json content = {{"normalizer", {{"type", "Sequence"}, {"normalizers", json::array()}}},
                    {"model", support::character_model({"a"}, json::array())}};
    for (int i = 0; i < 40; ++i) content["normalizer"]["normalizers"].push_back(twice);
    const tokenizer words = support::tokenizer_of(content);
    CHECK(words.encode("b").empty());
    CHECK(error_of([&] { (void)words.encode("aa"); }) == unsupported({"made.json: normalizer", "1088 bytes"}));
}

TEST_CASE("decoders that would need more than pieces one by one are refused", "[tokenizer_file]") {
    const auto with = [](const json& decoders) {
        return error_over_characters([&](json& content) {
            content["decoder"] = {{"type", "Sequence"}, {"decoders", decoders}};
        });
    };
    const json fuse = {{"type", "Fuse"}};
    const auto strip = [](const json& content, const json& start, const json& stop) {
        return json{{"type", "Strip"}, {"content", content}, {"start", start}, {"stop", stop}};
    };
    CHECK(with({fuse, strip(" ", 1, 0)}).code == "none");
    CHECK(with(json::array({strip(" ", 1, 0)})) == unsupported({"decoders[0]", "after Fuse"}));
    CHECK(with({fuse, strip("x", 1, 0)}) == unsupported({"content", "a space"}));
    CHECK(with({fuse, strip(" ", 1, 1)}) == unsupported({"stop"}));
    CHECK(with({fuse, strip(" ", -1, 0)}) == malformed({"start", "a count"}));
    CHECK(with({fuse, strip(" ", 1u << 20, 0)}) == malformed({"start", "a count"}));
    CHECK(with({fuse, {{"type", "ByteFallback"}}}) == unsupported({"decoders[1]", "after Fuse"}));
    CHECK(with(json::array({{{"type", "Replace"}, {"pattern", {{"Regex", "a"}}}, {"content", "b"}}})) ==
          unsupported({"String", "a plain string"}));
    CHECK(with(json::array({{{"type", "Replace"}, {"pattern", {{"String", ""}}}, {"content", "b"}}})) ==
          malformed({"a non-empty text"}));
    CHECK(
        with(json::array({{{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(65, 'b')}}})) ==
        malformed({"short replacements"}));
    CHECK(with(json::array({{{"type", "CTC"}}})) == unsupported({"CTC"}));
    CHECK(with(json::array({{{"type", "ByteLevel"}}})) == unsupported({"pre_tokenizer", "ByteLevel"}));
}

TEST_CASE("post-processors must name tokens", "[tokenizer_file]") {
    const auto with = [](const json& post_processor) {
        return error_over_characters([&](json& content) { content["post_processor"] = post_processor; });
    };
    const json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
    const json token = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
    const auto made = [&](const json& single, const json& ids) {
        return with({{"type", "TemplateProcessing"},
                     {"single", single},
                     {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", ids}}}}}});
    };
    CHECK(made({token, text}, {1}).code == "none");
    CHECK(made({token, text}, {1000}) == malformed({"ids[0]", "1000"}));
    CHECK(made({token, text}, {-1}) == malformed({"ids[0]", "-1"}));
    CHECK(made({token, text}, 1) == malformed({"ids", "an array"}));
    CHECK(made({token, text}, std::vector<int>(2000, 1)) == malformed({"1024 tokens"}));
    CHECK(made(json::array({token}), {1}) == unsupported({"single", "the text A once"}));
    CHECK(made({text, text}, {1}) == unsupported({"single[1]", "the text A once"}));
    CHECK(made(3, {1}) == malformed({"single", "an array"}));
    CHECK(made({{{"SpecialToken", {{"id", "<x>"}}}}, text}, {1}) == malformed({"<x>", "an object"}));
    CHECK(with({{"type", "BertProcessing"}, {"sep", {"</s>"}}, {"cls", {"<s>", 1}}}) == malformed({"sep"}));
    CHECK(with({{"type", "BertProcessing"}, {"sep", {"</s>", "2"}}, {"cls", {"<s>", 1}}}) == malformed({"sep[1]"}));
    CHECK(with({{"type", "Unheard"}}) == unsupported({"post_processor", "Unheard"}));
}

TEST_CASE("a file with random damage gives an error or a tokenizer", "[tokenizer_file]") {
    json content = support::tokenizer_json({"a b", "ab c"});
    content["added_tokens"].push_back({{"id", 259}, {"content", "<x>"}, {"lstrip", true}, {"single_word", true}});
    const std::string good = content.dump();
    support::random_source random(17);
    for (int round = 0; round < 400; ++round) {
        std::string text = good;
        for (std::size_t i = 1 + random.index(3); i > 0; --i) {
            text[random.index(text.size())] =
                static_cast<char>(random.index(3) > 0 ? '0' + random.index(10) : random.index(256));
        }
        caught found = error_of([&] {
            const tokenizer words = tokenizer::from_json(text, "made.json");
            (void)words.decode(words.encode("abc <x> \xff 12"));
        });
        CAPTURE(text);
        REQUIRE(found.code != "other");
        if (found.code != "none") REQUIRE(found.message.starts_with("made.json"));
    }
}
