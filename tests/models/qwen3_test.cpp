// SPDX-License-Identifier: MIT
#include <earlyout/models/qwen3.hpp>

#include <cstdint>
#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"

namespace eo = earlyout;
using eo::errc;
using support::editable_copy;
using support::error_of;
using support::golden;
using support::read_error;
using support::thrown;
using support::tolerance;
using support::worst;

TEST_CASE("Qwen3 with the width of a head fixed at compile time gives the same bits", "[models][qwen3]") {
    const auto from = editable_copy("qwen3");
    const golden expected("qwen3");
    const auto fixed = eo::qwen3<eo::f32, eo::model_shape{.d_model = 20, .head_dim = 12}>::from_checkpoint(from);
    CHECK(worst(fixed, expected, {1000}, 8) < tolerance);
    CHECK(worst(fixed, expected, {1000}, 8) == worst(eo::qwen3<>::from_checkpoint(from), expected, {1000}, 8));
}

TEST_CASE("Qwen3 requires the norms of its heads", "[models][qwen3][errors]") {
    CHECK(read_error<eo::qwen3<>>(editable_copy("qwen3", "model.layers.0.self_attn.q_norm", "elsewhere")) ==
          thrown(errc::missing_tensor, {"q_norm.weight", "[12]", "missing"}));
}
