// SPDX-License-Identifier: MIT
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/weight_format.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a lossless format counts as f32", "[io][weight_format]") {
    const eo::io::hugging_face_checkpoint bf16(EARLYOUT_TEST_DATA "/gpt2/sharded_bf16");
    CHECK(eo::io::lossless_format(bf16) == eo::any_format(eo::bf16{}));
    CHECK(eo::io::computed_format(bf16, "bf16") == "f32");
    CHECK(eo::io::computed_format(bf16, "f16") == "f16");
    const eo::io::hugging_face_checkpoint f32(EARLYOUT_TEST_DATA "/gpt2/tiny");
    CHECK(eo::io::lossless_format(f32) == eo::any_format(eo::f32{}));
    CHECK(eo::io::computed_format(f32, "bf16") == "bf16");
}
