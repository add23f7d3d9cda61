// SPDX-License-Identifier: MIT
#include <earlyout/models/olmoe.hpp>

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

TEST_CASE("OLMoE weighs experts by the softmax over all of them", "[models][olmoe]") {
    const golden expected("olmoe");
    const auto distance = [&](const eo::checkpoint& from) {
        return worst(eo::olmoe<>::from_checkpoint(from), expected, {1000}, 8);
    };
    CHECK(distance(editable_copy("olmoe")) < tolerance);
    CHECK(distance(editable_copy("olmoe").set("norm_topk_prob", true)) > 0.01f);
}

TEST_CASE("OLMoE with sizes fixed at compile time gives the same bits", "[models][olmoe]") {
    const auto from = editable_copy("olmoe_normed");
    const golden expected("olmoe_normed");
    const auto fixed = eo::olmoe<eo::f32, eo::model_shape{.d_model = 16, .heads = 2}>::from_checkpoint(from);
    CHECK(worst(fixed, expected, {1000}, 8) < tolerance);
    CHECK(worst(fixed, expected, {1000}, 8) == worst(eo::olmoe<>::from_checkpoint(from), expected, {1000}, 8));
}

TEST_CASE("OLMoE refuses clipped projections and requires its norms", "[models][olmoe][errors]") {
    CHECK(read_error<eo::olmoe<>>(editable_copy("olmoe").set("clip_qkv", 8.0)) ==
          thrown(errc::unsupported, {"'clip_qkv'"}));
    CHECK(read_error<eo::olmoe<>>(editable_copy("olmoe", "model.layers.0.self_attn.k_norm", "elsewhere")) ==
          thrown(errc::missing_tensor, {"k_norm.weight", "[12]"}));
}
