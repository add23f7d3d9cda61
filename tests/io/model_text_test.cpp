// SPDX-License-Identifier: MIT
#include <earlyout/io/model_text.hpp>

#include <earlyout/io/load.hpp>

#include <earlyout/generate/model.hpp>
#include <earlyout/io/detail/gguf_patterns.hpp>
#include <earlyout/io/safetensors_writer.hpp>
#include <earlyout/text/control_names.hpp>
#include <earlyout/text/fill_in_the_middle.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/gguf.hpp"
#include "support/temporary_folder.hpp"
#include "text/tokenizer_fixtures.hpp"

namespace {

namespace eo = earlyout;
using eo::errc;
using eo::token_id;
using eo::io::model_text;
using support::error_of;
using support::gguf_builder;
using support::json;
using support::thrown;
using ids = std::vector<token_id>;

/// The bytes, then these tokens: special, or added as text.
json tokenizer_with(const std::vector<std::string>& special, const std::vector<std::string>& text = {}) {
    json made = support::tokenizer_json({});
    made["model"]["vocab"].erase("<|endoftext|>");
    made["added_tokens"] = json::array();
    for (const std::string& name : special) {
        made["added_tokens"].push_back(
            {{"id", 256 + made["added_tokens"].size()}, {"content", name}, {"special", true}, {"normalized", false}});
    }
    for (const std::string& name : text) {
        made["added_tokens"].push_back(
            {{"id", 256 + made["added_tokens"].size()}, {"content", name}, {"special", false}, {"normalized", false}});
    }
    return made;
}
json starting_with(json tokenizer, const std::string& token, token_id id) {
    tokenizer["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", token}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
        {"special_tokens", {{token, {{"id", token}, {"ids", {id}}, {"tokens", {token}}}}}}};
    return tokenizer;
}

/// Reads a folder's text, of these files; null: without it.
struct folder_files {
    json tokenizer;
    json config = json::object();
    json generation = nullptr;
    json tokenizer_config = nullptr;
    json special_tokens_map = nullptr;
};
model_text text_of(const folder_files& files) {
    const support::temporary_folder folder;
    const std::vector<float> one{1.0f};
    const std::vector<eo::tensor_view> tensors{{"a", eo::dtype::f32, {1}, std::as_bytes(std::span(one))}};
    folder.write("model.safetensors", eo::io::safetensors_bytes(tensors));
    const auto write = [&](const char* name, const json& content) {
        if (!content.is_null()) folder.write(name, content.dump());
    };
    write("config.json", files.config);
    write("generation_config.json", files.generation);
    write("tokenizer_config.json", files.tokenizer_config);
    write("special_tokens_map.json", files.special_tokens_map);
    write("tokenizer.json", files.tokenizer);
    return eo::io::read_text(eo::io::hugging_face_checkpoint(folder.path()));
}
ids before(const model_text& text) {
    return {text.tokenizer->tokens_before().begin(), text.tokenizer->tokens_before().end()};
}

/// The bytes in GPT-2's spelling, then these tokens of these types.
gguf_builder gguf_with(const std::vector<std::string>& names, const std::vector<std::int32_t>& kinds,
                       const char* pattern = "gpt-2") {
    std::vector<std::string> tokens = support::spelled_bytes();
    std::vector<std::int32_t> types(tokens.size(), 1);
    tokens.insert(tokens.end(), names.begin(), names.end());
    types.insert(types.end(), kinds.begin(), kinds.end());
    gguf_builder made;
    made.set("general.architecture", "llama").set("tokenizer.ggml.model", "gpt2").set("tokenizer.ggml.pre", pattern);
    made.set("tokenizer.ggml.tokens", tokens).set("tokenizer.ggml.token_type", types);
    return made.set("tokenizer.ggml.merges", std::vector<std::string>());
}
model_text text_of(const gguf_builder& made) {
    const std::string bytes = made.bytes();
    return eo::io::read_text(eo::io::gguf_checkpoint(std::as_bytes(std::span(bytes)), "m.gguf"));
}

}  // namespace

TEST_CASE("end-of-text tokens are collected from every source", "[io][model_text]") {
    const json words = tokenizer_with({"<s>", "<a>", "<b>", "<|im_end|>", "<|end_of_text|>"}, {"<|file_sep|>", "</s>"});
    // By name: special ones, and those that are never text.
    CHECK(text_of({.tokenizer = words}).generation.eos_token_ids == ids{259, 260, 261});
    const auto first = [&](const json& config, const json& generation, const json& tokenizer_config) {
        ids found = text_of({words, config, generation, tokenizer_config, nullptr}).generation.eos_token_ids;
        found.resize(found.size() - 3);  // by name
        return found;
    };
    const json none = nullptr;
    CHECK(first({{"eos_token_id", 257}}, none, none) == ids{257});
    CHECK(first({{"eos_token_id", 257}}, {{"eos_token_id", 258}}, none) == ids{258});
    CHECK(first({{"eos_token_id", 257}}, {{"eos_token_id", nullptr}}, none) == ids{257});
    CHECK(first({{"eos_token_id", -1}}, {{"eos_token_id", {257, 258}}}, none) == ids{257, 258});
    CHECK(first({{"eos_token_id", 257}}, none, {{"eos_token", "<b>"}}) == ids{257, 258});
    CHECK(first({{"eos_token_id", 257}}, none, {{"eos_token", {{"content", "<b>"}}}}) == ids{257, 258});
    CHECK(first({{"eos_token_id", 257}}, none, {{"eos_token", "<a>"}}) == ids{257});
    CHECK(first({{"eos_token_id", 257}}, none, {{"eos_token", nullptr}}) == ids{257});
    CHECK(first({{"eos_token_id", 257}}, none, {{"eos_token", "no such token"}}) == ids{257});
    CHECK(error_of([&] {
              (void)first(json::object(), none, {{"eos_token", 3}});
          }) == thrown(errc::malformed_file, {"tokenizer_config.json", "'eos_token'"}));

    ids all = text_of({.tokenizer = words, .special_tokens_map = {{"eos_token", "<a>"}}}).generation.eos_token_ids;
    CHECK(all.front() == 257);
}

TEST_CASE("tokens of a GGUF file end a text by their keys and their names", "[io][model_text]") {
    const std::vector<std::string> names{"<|endoftext|>", "<|im_end|>", "<|fim_pad|>", "</s>", "<x>", "[PAD]", "y"};
    const auto ends = [&](std::vector<std::int32_t> types, auto... keys) {
        gguf_builder made = gguf_with(names, types);
        (made.set(std::string("tokenizer.ggml.").append(keys.first).append("_token_id"), keys.second), ...);
        ids found = text_of(made).generation.eos_token_ids;
        std::ranges::sort(found);
        return found;
    };
    using key = std::pair<const char*, std::uint32_t>;
    CHECK(ends({3, 3, 3, 3, 3, 3, 3}) == ids{256, 257, 258, 259, 261});
    CHECK(ends({4, 4, 4, 4, 4, 4, 4}) == ids{256, 257, 258, 259, 261});
    CHECK(ends({1, 1, 1, 1, 1, 1, 1}) == ids{256, 257, 258});  // </s> and [PAD] are text then
    CHECK(ends({3, 3, 3, 1, 3, 1, 1}, key("eos", 260), key("eot", 262)) == ids{256, 257, 258, 260, 262});
    CHECK(ends({3, 3, 3, 1, 3, 1, 1}, key("fim_sep", 260)) == ids{256, 257, 258, 260});
    CHECK(ends({3, 3, 3, 1, 3, 1, 1}, key("eos", 100'000), key("eot", 0xffffffff)) == ids{256, 257, 258});
    CHECK(ends({0, 9, -2, 1, 1, 1, 1}) == ids{256, 257, 258});  // undefined types are like normal ones
}

TEST_CASE("names that end a message only, where there are calls", "[io][model_text]") {
    const auto ends = [](const std::vector<std::string>& names) {
        std::vector<std::string> found;
        const model_text text = text_of(gguf_with(names, std::vector<std::int32_t>(names.size(), 3)));
        for (const token_id id : text.generation.eos_token_ids) found.emplace_back(text.tokenizer->piece(id));
        std::ranges::sort(found);
        return found;
    };
    using list = std::vector<std::string>;
    CHECK(ends({"<|end|>", "<|return|>"}) == list{"<|end|>", "<|return|>"});
    CHECK(ends({"<|end|>", "<|return|>", "<|call|>"}) == list{"<|call|>", "<|return|>"});
    CHECK(ends({"<|end|>", "<|calls|>", "<|flush|>"}) == list{"<|calls|>", "<|flush|>"});
    CHECK(ends({"</s>", "<|tool_response>"}) == list{"<|tool_response>"});
}

TEST_CASE("a prompt begins with what its sources agree on, with or without a middle to fill", "[io][model_text]") {
    const json plain = tokenizer_with({"<s>", "<other>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>"});
    struct model {  // as a session takes it
        model_text text;
        [[nodiscard]] const eo::text::tokenizer& tokenizer() const { return *text.tokenizer; }
        [[nodiscard]] const eo::io::generation_config& generation() const { return text.generation; }
    };
    for (const bool in_template : {false, true}) {
        for (const json& add : {json(), json(false), json(true)}) {
            for (const json& named : {json(), json("<s>"), json{{"content", "<s>"}}}) {
                for (const json& in_config : {json(), json(-1), json(256), json(257)}) {
                    INFO(in_template << add.dump() << named.dump() << in_config.dump());
                    const model made{text_of({.tokenizer = in_template ? starting_with(plain, "<s>", 256) : plain,
                                              .config = {{"bos_token_id", in_config}},
                                              .tokenizer_config = {{"add_bos_token", add}, {"bos_token", named}}})};
                    // add_bos_token decides, else the template; bos_token says which, else config.json.
                    ids expected;
                    if (in_template) expected = {256};
                    if (add == true && !named.is_null()) expected = {256};
                    if (add == true && named.is_null() && in_config == 256) expected = {256};
                    if (add == true && named.is_null() && in_config == 257) {
                        expected.insert(expected.begin(), 257);
                    }
                    if (add == false && (!named.is_null() || in_config == 256)) expected = {};
                    CHECK(before(made.text) == expected);
                    ids whole = expected;
                    whole.push_back(64);  // a
                    CHECK(eo::encode_prompt(made, "a") == whole);
                    CHECK(eo::encode_prompt(made, "a", true) == whole);
                    ids middle = expected;
                    for (const token_id id : {258, 64, 259, 65, 260}) middle.push_back(id);
                    const auto tokens = eo::text::fill_in_the_middle::of(made.tokenizer());
                    REQUIRE(tokens);
                    CHECK(tokens->prompt(made.tokenizer(), "a", "b") == middle);
                }
            }
        }
    }
}

TEST_CASE("a user's text never becomes a token that controls the model", "[io][model_text]") {
    std::vector<std::string> names(std::begin(eo::text::end_names), std::end(eo::text::end_names));
    names.insert(names.end(), std::begin(eo::text::middle_names), std::end(eo::text::middle_names));
    for (const char* name : {"<s>", "<unk>", "PAD", "tool call"}) names.emplace_back(name);
    std::erase_if(names, [](const std::string& name) { return name.starts_with(' '); });
    json content = tokenizer_with(names);
    // Qwen2.5-Coder's file calls its own "not special".
    json as_text = tokenizer_with({}, {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>"});
    json words_first = content;
    words_first["model"]["ignore_merges"] = true;
    const std::vector<eo::text::tokenizer> all{
        support::tokenizer_of(content), support::tokenizer_of(words_first), support::tokenizer_of(as_text),
        *text_of(gguf_with(names, std::vector<std::int32_t>(names.size(), 3))).tokenizer,
        *text_of(gguf_with({"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<EOT>"}, {4, 1, 4, 4})).tokenizer};
    for (const eo::text::tokenizer& words : all) {
        const auto tokens = eo::text::fill_in_the_middle::of(words);
        REQUIRE(tokens);
        for (token_id id = 256; static_cast<std::size_t>(id) < words.size(); ++id) {
            if (!words.is_special(id)) continue;
            const std::string name(words.piece(id));
            for (const std::string& text : {name, "x = '" + name + "'", name + name, " " + name + "\n"}) {
                INFO(text);
                const ids plain = words.encode_plain(text);
                CHECK(words.decode(plain) == text);
                CHECK(std::ranges::none_of(plain, [&](token_id made) { return words.is_special(made); }));
                const ids found = words.encode(text);
                CHECK(std::ranges::find(found, id) != found.end());
                const ids prompt = tokens->prompt(words, text, text);
                CHECK(std::ranges::count_if(prompt, [&](token_id made) { return words.is_special(made); }) == 3);
            }
        }
    }
}

TEST_CASE("a vocabulary may lack bytes: they are omitted, or unknown", "[io][model_text]") {
    json content = tokenizer_with({"<s>"});
    for (const char* byte : {"z", "\u0120", "\u010a"}) content["model"]["vocab"].erase(byte);
    content["model"]["merges"] = {"a b"};
    content["model"]["vocab"]["ab"] = 300;
    const auto encode = [](const json& made, std::string_view text) {
        return support::tokenizer_of(made).encode(text);
    };
    CHECK(encode(content, "cab") == ids{66, 300});
    CHECK(encode(content, "c z\nz") == ids{66});
    CHECK(encode(content, "azb") == ids{300});  // what remains is neighbours
    content["model"]["unk_token"] = "?";
    CHECK(encode(content, "azzb") == ids{64, 30, 30, 65});
    content["model"]["fuse_unk"] = true;
    CHECK(encode(content, "azzb<s>z") == ids{64, 30, 65, 254, 30});  // <s> is the 255th, as in Hugging Face's library
    content["model"]["unk_token"] = "not there";
    CHECK(error_of([&] { (void)encode(content, "a"); }) ==
          thrown(errc::malformed_file, {"unk_token", "a piece of the vocabulary"}));

    eo::text::tokenizer_parts parts;
    parts.source = "parts";
    parts.pieces = {"a", "b", "ab", "<s>"};
    parts.kinds.assign(4, eo::text::tokenizer_parts::kind::normal);
    parts.kinds[3] = eo::text::tokenizer_parts::kind::control;
    parts.merges = {"a b"};
    CHECK(eo::text::tokenizer::from_parts(parts).encode("c ab\nab<s>") == ids{2, 2, 3});
}

TEST_CASE("names of patterns that are other patterns too, and where texts begin with them", "[io][model_text]") {
    const auto with = [](const char* pattern) {
        return text_of(gguf_with({"<s>"}, {3}, pattern).set("tokenizer.ggml.bos_token_id", 256u));
    };
    struct group {
        const char* like;
        std::vector<const char*> names;
        bool bos;
    };
    const group groups[] = {
        {"qwen2", {"deepseek-r1-qwen", "kormo", "megrez", "f2llmv2"}, false},
        {"llama-bpe", {"falcon3", "pixtral", "falcon-h1", "midm-2.0", "lfm2"}, true},
        {"gpt-2",
         {"phi-2", "mellum", "gigachat", "jina-es", "jina-de", "a.x-4.0", "modern-bert", "mpt", "olmo", "jais"},
         false},
        {"starcoder", {"command-r", "codeshell", "exaone", "minerva-7b"}, false}};
    for (const group& g : groups) {
        for (const char* name : g.names) {
            INFO(name);
            const auto* const pattern = eo::io::detail::find_gguf_pattern(name);
            const auto* const expected = eo::io::detail::find_gguf_pattern(g.like);
            REQUIRE(pattern != nullptr);
            CHECK(pattern->cuts.data() == expected->cuts.data());
            CHECK(pattern->ignore_merges == expected->ignore_merges);
        }
        const model_text text = with(g.names.front());
        CHECK(text.generation.add_bos == g.bos);
        CHECK(before(text) == (g.bos ? ids{256} : ids{}));
    }
    // All of them compile, and lose nothing.
    for (const auto& pattern : eo::io::detail::gguf_patterns) {
        INFO(pattern.name);
        const std::string text = "def f(x1234):\n\treturn 'It''s 1 na\u00efve' # \u4e00\u4e01 \u3042  ok?\n\n  end ";
        const model_text made = with(std::string(pattern.name).c_str());
        CHECK(made.tokenizer->decode(made.tokenizer->encode(text)) == text);
    }
}
