// SPDX-License-Identifier: MIT
// Folders with vocab.json and merges.txt in place of tokenizer.json, against Hugging Face's library.
#include <earlyout/io/hugging_face_text.hpp>
#include <earlyout/io/safetensors_writer.hpp>
#include <earlyout/text/detail/unicode_forms.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "support/temporary_folder.hpp"
#include "text/tokenizer_fixtures.hpp"

#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <vector>

namespace {

namespace eo = earlyout;
using eo::errc;
using eo::token_id;
using eo::io::model_text;
using support::error_of;
using support::json;
using support::thrown;
using ids = std::vector<token_id>;

/// Reads the text of a folder with these files: {NAME: content, a string as it is}.
model_text text_of(const json& files) {
    const support::temporary_folder folder;
    const std::vector<float> one{1.0f};
    const std::vector<eo::tensor_view> tensors{{"a", eo::dtype::f32, {1}, std::as_bytes(std::span(one))}};
    folder.write("model.safetensors", eo::io::safetensors_bytes(tensors));
    for (const auto& [name, content] : files.items()) {
        folder.write(name, content.is_string() ? content.get<std::string>() : content.dump());
    }
    return eo::io::read_text(eo::io::hugging_face_checkpoint(folder.path()));
}

json gpt2_folder() {
    json vocab = json::object();
    for (const std::string& byte : support::spelled_bytes()) vocab[byte] = vocab.size();
    vocab["ab"] = 256;
    vocab["<|endoftext|>"] = 257;
    return {{"config.json", {{"model_type", "gpt2"}}}, {"vocab.json", vocab}, {"merges.txt", "#version: 0.2\na b\n"}};
}
support::caught error_after(const char* file, const json& content) {
    json files = gpt2_folder();
    if (content.is_null()) {
        files.erase(file);
    } else {
        files[file] = content;
    }
    return error_of([&] { (void)text_of(files); });
}

}  // namespace

TEST_CASE("vocab.json and merges.txt reproduce the ids of transformers' classes", "[io][vocabulary_files]") {
    const json golden = json::parse(support::tokenizer_data("folders.json"));
    CHECK(golden.size() == 6);
    for (const json& one : golden) {
        INFO(one.at("name"));
        if (one.dump().find("Qwen") != std::string::npos && !eo::text::detail::has_unicode_forms) continue;
        const model_text text = text_of(one.at("files"));
        REQUIRE(text.tokenizer);
        for (const json& expected : one.at("cases")) {
            const std::string written = support::from_base64(expected.at("text").get_ref<const std::string&>());
            CAPTURE(written);
            CHECK(text.tokenizer->encode(written) == expected.at("ids").get<ids>());
        }
        CHECK_FALSE(text.generation.eos_token_ids.empty());
    }
}

TEST_CASE("tokens before a text of vocab.json and merges.txt", "[io][vocabulary_files]") {
    json files = gpt2_folder();
    CHECK(text_of(files).tokenizer->tokens_before().empty());
    CHECK(text_of(files).generation.eos_token_ids == ids{257});
    CHECK(text_of(files).tokenizer->is_special(257));
    files["tokenizer_config.json"] = {{"add_bos_token", true}, {"bos_token", "<|endoftext|>"}};
    CHECK(text_of(files).tokenizer->tokens_before().front() == 257);
    files["tokenizer.json"] = support::tokenizer_json({});
    CHECK(text_of(files).tokenizer->size() == 257);  // tokenizer.json counts
    files.erase("tokenizer.json");
    files.erase("vocab.json");
    files.erase("merges.txt");
    CHECK_FALSE(text_of(files).tokenizer.has_value());
}

TEST_CASE("vocab.json and merges.txt of other classes, or damaged, are refused by name", "[io][vocabulary_files]") {
    CHECK(error_after("merges.txt", nullptr) == thrown(errc::no_such_file, {"merges.txt", "beside vocab.json"}));
    CHECK(error_after("vocab.json", nullptr) == thrown(errc::no_such_file, {"vocab.json", "beside merges.txt"}));
    CHECK(error_after("tokenizer_config.json", {{"tokenizer_class", "RobertaTokenizerFast"}}) ==
          thrown(errc::unsupported,
                 {"tokenizer_config.json", "'tokenizer_class'", "GPT2Tokenizer", "'RobertaTokenizerFast'"}));
    CHECK(error_after("config.json", {{"tokenizer_class", "BartTokenizer"}, {"model_type", "gpt2"}}) ==
          thrown(errc::unsupported, {"config.json", "'tokenizer_class'", "'BartTokenizer'"}));
    CHECK(error_after("config.json", {{"model_type", "llama"}}) ==
          thrown(errc::unsupported, {"config.json", "'model_type'", "starcoder2", "'llama'"}));
    CHECK(error_after("config.json", json::object()) == thrown(errc::unsupported, {"'model_type'", "found ''"}));
    for (const char* merges : {"a b\nab c d\n", "a\n", "a b\na zz\n", "a c\n", " b\n", "a  b\n"}) {
        CAPTURE(merges);
        CHECK(error_after("merges.txt", merges) == thrown(errc::malformed_file, {"merges.txt: line", "two pieces"}));
    }
    CHECK(error_after("merges.txt", "a b\r\n\r\n\n").code == "none");
    CHECK(error_after("vocab.json", json::array()) == thrown(errc::malformed_file, {"vocab.json", "object"}));
    CHECK(error_after("vocab.json", {{"a", "b"}}) == thrown(errc::malformed_file, {"vocab.json", "merges.txt"}));
    CHECK(error_after("vocab.json", {{"a", 0}, {"b", "x"}, {"ab", 2}}) ==
          thrown(errc::malformed_file, {"vocab.json", "'b'", "an id"}));
    const auto config = [](const json& content) { return error_after("tokenizer_config.json", content); };
    CHECK(config({{"split_special_tokens", true}}) == thrown(errc::unsupported, {"'split_special_tokens'"}));
    CHECK(config({{"add_prefix_space", "yes"}}) == thrown(errc::malformed_file, {"'add_prefix_space'", "yes"}));
    CHECK(config({{"pad_token", 3}}) == thrown(errc::malformed_file, {"'pad_token'", "a token's text", "3"}));
    CHECK(config({{"additional_special_tokens", {3}}}) ==
          thrown(errc::malformed_file, {"'additional_special_tokens'", "3"}));
    CHECK(config({{"added_tokens_decoder", 3}}) == thrown(errc::malformed_file, {"'added_tokens_decoder'", "number"}));
    CHECK(config({{"added_tokens_decoder", {{"x", "y"}}}}) == thrown(errc::malformed_file, {"expected ids", "'x'"}));
    CHECK(config({{"added_tokens_decoder", {{"258", {{"special", true}}}}}}) ==
          thrown(errc::malformed_file, {"'258'"}));
    CHECK(config({{"added_tokens_decoder", {{"258", {{"content", "<x>"}, {"special", 3}}}}}}) ==
          thrown(errc::malformed_file, {"special", "true or false"}));
    CHECK(error_after("added_tokens.json", {{"<x>", "y"}}) ==
          thrown(errc::malformed_file, {"added_tokens.json", "'<x>'", "an id"}));
}

TEST_CASE("folders with random damage in one of their files give an error or a tokenizer", "[io][vocabulary_files]") {
    support::random_source random(29);
    for (const json& one : json::parse(support::tokenizer_data("folders.json"))) {
        INFO(one.at("name"));
        for (int round = 0; round < 20; ++round) {
            json files = one.at("files");
            auto file = files.begin();
            std::advance(file, random.index(files.size()));
            std::string text = file->is_string() ? file->get<std::string>() : file->dump();
            for (std::size_t i = 1 + random.index(3); i > 0; --i) {
                text[random.index(text.size())] =
                    static_cast<char>(random.index(3) > 0 ? '0' + random.index(10) : random.index(256));
            }
            CAPTURE(file.key(), text);
            *file = text;
            const support::caught found = error_of([&] {
                const model_text made = text_of(files);
                if (made.tokenizer) (void)made.tokenizer->decode(made.tokenizer->encode(" the <a> \xff 12<d>"));
            });
            REQUIRE(found.code != "other");
        }
    }
}
