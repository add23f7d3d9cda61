// SPDX-License-Identifier: MIT
#include <earlyout/models/qwen3_moe.hpp>

#include <cstdint>
#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"

namespace eo = earlyout;
using eo::errc;
using support::editable_copy;
using support::golden;
using support::read_error;
using support::thrown;
using support::tolerance;
using support::worst;

TEST_CASE("Qwen3-MoE has mixtures in every layer of the step's multiples that is not listed", "[models][qwen3_moe]") {
    const auto from = editable_copy("qwen3_moe_sparse");
    const eo::detail::checkpoint_reader reader(from, "model.");
    const eo::model_shape s = eo::qwen3_moe_architecture::shape(reader);
    const auto experts = [&](std::size_t layer) {
        return eo::qwen3_moe_architecture::mixture_of(reader, s, layer).experts;
    };
    CHECK(experts(1) == 0);
    CHECK(experts(2) == 5);
    CHECK(experts(3) == 0);
    CHECK(experts(4) == 0);
    CHECK(eo::qwen3_moe_architecture::window(reader, 1) == 5);
    CHECK(worst(eo::qwen3_moe<>::from_checkpoint(from), golden("qwen3_moe_sparse"), {1000}, 8) < tolerance);
}

TEST_CASE("Qwen3-MoE with the width of a head fixed at compile time gives the same bits", "[models][qwen3_moe]") {
    const auto from = editable_copy("qwen3_moe");
    const golden expected("qwen3_moe");
    const auto fixed = eo::qwen3_moe<eo::f32, eo::model_shape{.d_model = 20, .head_dim = 12}>::from_checkpoint(from);
    CHECK(worst(fixed, expected, {1000}, 8) < tolerance);
    CHECK(worst(fixed, expected, {1000}, 8) == worst(eo::qwen3_moe<>::from_checkpoint(from), expected, {1000}, 8));
}

TEST_CASE("Qwen3-MoE requires every expert and the norms of its heads", "[models][qwen3_moe][errors]") {
    const auto lacking = [](const char* tensor) {
        return read_error<eo::qwen3_moe<>>(editable_copy("qwen3_moe", tensor, "elsewhere"));
    };
    CHECK(lacking("model.layers.0.self_attn.q_norm") == thrown(errc::missing_tensor, {"q_norm.weight", "[12]"}));
    CHECK(lacking("model.layers.1.mlp.experts.8.down_proj") ==
          thrown(errc::missing_tensor, {"layers.1.mlp.experts.8.down_proj.weight", "[20, 10]"}));
}
