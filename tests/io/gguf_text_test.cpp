// SPDX-License-Identifier: MIT
// model_text_test.cpp and gguf_tokenizer_test.cpp have the rules.
#include <earlyout/io/gguf_text.hpp>

#include <string>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a gguf file without tokens has neither tokenizer nor end-of-text tokens", "[io][gguf][model_text]") {
    const eo::io::gguf_checkpoint from(std::string(EARLYOUT_TEST_DATA "/../fuzz/corpus/gguf/llama"));
    const eo::io::model_text text = eo::io::read_text(from);
    CHECK(text.tokenizer.has_value() == from.contents().texts("tokenizer.ggml.tokens").has_value());
    CHECK(text.generation.eos_token_ids == eo::io::read_generation_config(from).eos_token_ids);
}
