// SPDX-License-Identifier: MIT
#include <earlyout/models/qwen2_moe.hpp>

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

TEST_CASE("Qwen2-MoE has dense layers where the configuration lists them", "[models][qwen2_moe]") {
    const auto from = editable_copy("qwen2_moe");
    const eo::detail::checkpoint_reader reader(from, "model.");
    const eo::model_shape s = eo::qwen2_moe_architecture::shape(reader);
    CHECK(s.experts == 7);
    CHECK(s.active_experts == 3);
    const eo::mixture_shape first = eo::qwen2_moe_architecture::mixture_of(reader, s, 1);
    CHECK(first.experts == 7);
    CHECK(first.d_expert == 14);
    CHECK(first.d_shared == 22);
    CHECK(first.gates_shared);
    CHECK(first.weighting == eo::expert_weighting::softmax_of_all);
    const eo::mixture_shape second = eo::qwen2_moe_architecture::mixture_of(reader, s, 2);
    CHECK(second.experts == 0);
    CHECK(second.d_shared == 26);
    CHECK_FALSE(second.gates_shared);
    CHECK(worst(eo::qwen2_moe<>::from_checkpoint(from), golden("qwen2_moe"), {1000}, 8) < tolerance);
}

TEST_CASE("Qwen2-MoE divides the weights of experts by their sum if the configuration says so", "[models][qwen2_moe]") {
    const golden expected("qwen2_moe_normed");
    const auto distance = [&](const eo::checkpoint& from) {
        return worst(eo::qwen2_moe<>::from_checkpoint(from), expected, {1000}, 8);
    };
    CHECK(distance(editable_copy("qwen2_moe_normed")) < tolerance);
    CHECK(distance(editable_copy("qwen2_moe_normed").set("norm_topk_prob", false)) > 0.01f);
}

TEST_CASE("Qwen2-MoE refuses what its tensors or its keys leave open", "[models][qwen2_moe][errors]") {
    const auto copy = [] { return editable_copy("qwen2_moe"); };
    CHECK(read_error<eo::qwen2_moe<>>(copy().set("decoder_sparse_step", std::int64_t{2})) ==
          thrown(errc::missing_tensor, {"layers.0.mlp.gate_proj.weight"}));
    CHECK(read_error<eo::qwen2_moe<>>(copy().set("decoder_sparse_step", std::int64_t{0})) ==
          thrown(errc::wrong_value, {"'decoder_sparse_step'"}));
    CHECK(read_error<eo::qwen2_moe<>>(copy().set("shared_expert_intermediate_size", std::int64_t{21})) ==
          thrown(errc::wrong_shape, {"shared_expert.gate_proj.weight", "[21, 24]"}));
    CHECK(read_error<eo::qwen2_moe<>>(copy().set("use_sliding_window", true)) ==
          thrown(errc::unsupported, {"'use_sliding_window'", "'layer_types'"}));
    CHECK(
        read_error<eo::qwen2_moe<>>(editable_copy("qwen2_moe", "model.layers.0.mlp.shared_expert_gate", "elsewhere")) ==
        thrown(errc::missing_tensor, {"shared_expert_gate.weight", "[1, 24]"}));
}
