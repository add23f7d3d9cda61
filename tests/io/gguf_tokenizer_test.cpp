// SPDX-License-Identifier: MIT
#include <earlyout/io/gguf_tokenizer.hpp>

#include <earlyout/io/gguf_checkpoint.hpp>
#include <earlyout/io/gguf_text.hpp>
#include <earlyout/io/tokenizer_file.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/gguf.hpp"

namespace eo = earlyout;
using eo::errc;
using eo::token_id;
using support::error_of;
using support::gguf_builder;
using support::thrown;

namespace {

using ids = std::vector<token_id>;

std::optional<eo::text::tokenizer> words_of(const gguf_builder& made,
                                            const eo::io::generation_config& generation = {}) {
    const std::string bytes = made.bytes();
    return eo::io::read_tokenizer(eo::io::gguf(std::as_bytes(std::span(bytes)), "m.gguf"), generation);
}
support::caught reading_words(const gguf_builder& made) {
    return error_of([&] { (void)words_of(made); });
}

/// The example model's tokenizer as llama.cpp's converter writes it.
gguf_builder byte_level(const char* pattern) {
    const auto json = nlohmann::json::parse(std::ifstream(EARLYOUT_EXAMPLE_MODEL "/tokenizer.json"));
    const auto& vocab = json["model"]["vocab"];
    std::vector<std::string> tokens(vocab.size());
    for (const auto& [piece, id] : vocab.items()) tokens[id.get<std::size_t>()] = piece;
    std::vector<std::int32_t> types(tokens.size(), 1);
    types.back() = 3;
    gguf_builder made;
    made.set("tokenizer.ggml.model", "gpt2").set("tokenizer.ggml.tokens", tokens);
    made.set("tokenizer.ggml.token_type", types);
    made.set("tokenizer.ggml.merges", json["model"]["merges"].get<std::vector<std::string>>());
    if (pattern != nullptr) made.set("tokenizer.ggml.pre", pattern);
    return made;
}

/// <unk>, <s>, </s>, the bytes, then pieces with scores.
gguf_builder sentence_piece() {
    std::vector<std::string> tokens{"<unk>", "<s>", "</s>"};
    std::vector<std::int32_t> types{2, 3, 3};
    for (int byte = 0; byte < 256; ++byte) {
        constexpr const char* digits = "0123456789ABCDEF";
        tokens.push_back(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">");
        types.push_back(6);
    }
    std::vector<float> scores(tokens.size());
    float score = 0.0f;
    for (const char* piece : {"ab",
                              "\xe2\x96\x81"
                              "a",
                              "a", "b", "\xe2\x96\x81"}) {
        tokens.emplace_back(piece);
        types.push_back(1);
        scores.push_back(score -= 1.0f);
    }
    gguf_builder made;
    return made.set("tokenizer.ggml.model", "llama")
        .set("tokenizer.ggml.tokens", tokens)
        .set("tokenizer.ggml.token_type", types)
        .set("tokenizer.ggml.scores", scores);
}

}  // namespace

TEST_CASE("a byte-level tokenizer in a gguf file returns the ids of the same tokenizer.json", "[io][gguf_tokenizer]") {
    const auto expected = eo::io::load_tokenizer(EARLYOUT_EXAMPLE_MODEL "/tokenizer.json");
    const auto found = words_of(byte_level("gpt-2"));
    REQUIRE(found.has_value());
    CHECK(found->size() == expected.size());
    CHECK(found->is_special(4095));
    for (const char* text :
         {"def f(x):\n\treturn x  +1234<|endoftext|>\r\n", "na\xc3\xafve \xe2\x82\xac\xff it's", " "}) {
        CHECK(found->encode(text) == expected.encode(text));
        CHECK(found->decode(found->encode(text)) == text);
    }
}

TEST_CASE("tokenizer.ggml.pre selects how a text is split", "[io][gguf_tokenizer]") {
    const auto words = [](const char* pattern, const std::string& text) {
        const auto from = words_of(byte_level(pattern));
        std::vector<std::string> pieces;
        for (const token_id id : from->encode(text)) pieces.emplace_back(from->piece(id));
        return pieces;
    };
    using pieces = std::vector<std::string>;
    // "100" is a piece of the vocabulary; so is "10".
    CHECK(words("gpt-2", "1000") != words("starcoder", "1000"));
    CHECK(words("starcoder", "1000") == pieces{"1", "0", "0", "0"});
    CHECK(words("refact", "1000") == pieces{"1", "0", "0", "0"});
    CHECK(words("qwen2", "1000") == pieces{"1", "0", "0", "0"});
    CHECK(words("llama-bpe", "1000") == pieces{"100", "0"});
    CHECK(words("deepseek-coder", "10") == pieces{"1", "0"});
    CHECK(words(nullptr, "1000") == words("default", "1000"));
    CHECK(reading_words(byte_level("kimi-k2")) ==
          thrown(errc::unsupported, {"m.gguf", "'tokenizer.ggml.pre'", "gpt-2, llama-bpe", "'kimi-k2'"}));
}

TEST_CASE("a SentencePiece tokenizer in a gguf file", "[io][gguf_tokenizer]") {
    const token_id ab = 259, space_a = 260, a = 261, b = 262, space = 263;
    const auto found = words_of(sentence_piece(), {.add_bos = true, .bos_token_id = 1, .eos_token_ids = {2}});
    REQUIRE(found.has_value());
    CHECK(found->encode("ab") == ids{space, ab});
    CHECK(found->encode("a b") == ids{space_a, space, b});
    CHECK(found->encode("a\n") == ids{space_a, 3 + 10});
    CHECK(found->encode("ab", {.special_tokens = true, .add_special_tokens = true}) == ids{1, space, ab});
    CHECK(found->decode(ids{space_a, space, b, 3 + 10}) == "a b\n");
    CHECK(found->is_special(2));
    const auto plain = words_of(sentence_piece().set("tokenizer.ggml.add_space_prefix", false));
    CHECK(plain->encode("aa") == ids{a, a});
    const auto ended = words_of(sentence_piece().set("tokenizer.ggml.add_eos_token", true),
                                {.add_bos = false, .bos_token_id = std::nullopt, .eos_token_ids = {2}});
    CHECK(ended->encode("b", {.special_tokens = true, .add_special_tokens = true}) == ids{space, b, 2});
}

TEST_CASE("a gguf file without a tokenizer, and with a damaged one", "[io][gguf_tokenizer]") {
    CHECK_FALSE(words_of(gguf_builder()).has_value());
    CHECK_FALSE(words_of(gguf_builder().set("tokenizer.ggml.model", "no_vocab")).has_value());
    CHECK(reading_words(gguf_builder().set("tokenizer.ggml.model", "gpt2")) ==
          thrown(errc::malformed_file, {"m.gguf", "'tokenizer.ggml.tokens'", "missing"}));
    const std::vector<std::string> two{"a", "b"};
    const auto made = [&](const char* model) {
        return gguf_builder().set("tokenizer.ggml.model", model).set("tokenizer.ggml.tokens", two);
    };
    CHECK(reading_words(made("bert")) ==
          thrown(errc::unsupported, {"'tokenizer.ggml.model'", "gpt2, llama", "'bert'"}));
    CHECK(reading_words(made("gpt2")) == thrown(errc::malformed_file, {"'tokenizer.ggml.merges'", "missing"}));
    CHECK(reading_words(made("llama")) ==
          thrown(errc::malformed_file, {"'tokenizer.ggml.scores'", "2 tokens", "found 0"}));
    CHECK(reading_words(made("llama").set("tokenizer.ggml.token_type", std::vector<std::int32_t>{1})) ==
          thrown(errc::malformed_file, {"'tokenizer.ggml.token_type'", "2 tokens", "found 1"}));
}

TEST_CASE("a gguf file specifies how its texts begin and end", "[io][gguf_tokenizer]") {
    const auto read_config = [](gguf_builder made) {
        made.set("general.architecture", "llama");
        const std::string bytes = made.bytes();
        return eo::io::read_generation_config(eo::io::gguf_checkpoint(std::as_bytes(std::span(bytes)), "m.gguf"));
    };
    const auto with = [](const char* model, const char* pre) {
        return gguf_builder()
            .set("tokenizer.ggml.model", model)
            .set("tokenizer.ggml.pre", pre)
            .set("tokenizer.ggml.bos_token_id", 5u);
    };
    CHECK(read_config(with("llama", "default")).add_bos);
    CHECK(read_config(with("gpt2", "llama-bpe")).add_bos);
    CHECK_FALSE(read_config(with("gpt2", "gpt-2")).add_bos);
    CHECK_FALSE(read_config(with("llama", "").set("tokenizer.ggml.add_bos_token", false)).add_bos);
    CHECK_FALSE(read_config(gguf_builder().set("tokenizer.ggml.model", "llama")).add_bos);
    const auto made = read_config(with("gpt2", "gpt-2")
                                      .set("tokenizer.ggml.eos_token_id", 6u)
                                      .set("tokenizer.ggml.eot_token_id", 7u)
                                      .set("tokenizer.ggml.eom_token_id", 6u));
    CHECK(made.bos_token_id == 5);
    CHECK(made.eos_token_ids == ids{6, 7});
    CHECK(read_config(gguf_builder().set("tokenizer.ggml.bos_token_id", 0xffffffffu)).bos_token_id == std::nullopt);
    CHECK(error_of([&] { (void)read_config(gguf_builder().set("tokenizer.ggml.eos_token_id", 0x80000000u)); }) ==
          thrown(errc::malformed_file, {"'tokenizer.ggml.eos_token_id'", "2147483648"}));
}
