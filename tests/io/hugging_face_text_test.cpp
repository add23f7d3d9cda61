// SPDX-License-Identifier: MIT
// model_text_test.cpp tests the sources of text starts and ends.
#include <earlyout/io/hugging_face_text.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("the tokenizer of a folder is read with the ends of its texts", "[io][model_text]") {
    const eo::io::hugging_face_checkpoint from(EARLYOUT_EXAMPLE_MODEL);
    const eo::io::model_text text = eo::io::read_text(from);
    REQUIRE(text.tokenizer);
    CHECK_FALSE(text.generation.eos_token_ids.empty());
    CHECK(text.generation.eos_token_ids.front() == eo::io::read_generation_config(from).eos_token_ids.front());
    const eo::io::hugging_face_checkpoint without(EARLYOUT_TEST_DATA "/gpt2/tiny");
    CHECK_FALSE(eo::io::read_text(without).tokenizer);
}
