// SPDX-License-Identifier: MIT
#include <earlyout/models/gpt_oss.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"
#include "support/lacking.hpp"

namespace eo = earlyout;
using eo::errc;
using support::editable_copy;
using support::golden;
using support::read_error;
using support::thrown;
using support::tolerance;
using support::worst;

TEST_CASE("gpt-oss computes what PyTorch computes, its experts in MXFP4 or not", "[models][gpt_oss]") {
    for (const char* name : {"gpt_oss", "gpt_oss_mxfp4"}) {
        INFO(name);
        const auto model =
            eo::gpt_oss<>::from_checkpoint(eo::io::hugging_face_checkpoint(support::golden_folder(name)));
        CHECK(worst(model, golden(name), {1000}, 8) < tolerance);
        CHECK(worst(model, golden(name), {6, 1, 1, 4, 1}, 5) < tolerance);
    }
}

TEST_CASE("gpt-oss has a window in the layers that the configuration lists, or in every other one",
          "[models][gpt_oss]") {
    const auto windows = [](const eo::checkpoint& from) {
        const eo::detail::checkpoint_reader reader(from, "model.");
        return std::vector{eo::gpt_oss_architecture::window(reader, 1), eo::gpt_oss_architecture::window(reader, 2)};
    };
    CHECK(windows(editable_copy("gpt_oss")) == std::vector<std::size_t>{0, 6});
    CHECK(windows(editable_copy("gpt_oss_mxfp4")) == std::vector<std::size_t>{5, 0});
    const eo::memory_checkpoint whole = editable_copy("gpt_oss");
    CHECK(windows(support::lacking(whole, "sliding_window")) == std::vector<std::size_t>{0, 128});
    CHECK(worst(eo::gpt_oss<>::from_checkpoint(
                    editable_copy("gpt_oss").set("layer_types.0", std::string("sliding_attention"))),
                golden("gpt_oss"), {1000}, 8) > 0.01f);
    CHECK(read_error<eo::gpt_oss<>>(editable_copy("gpt_oss").set("sliding_window", nullptr)) ==
          thrown(errc::unsupported, {"'layer_types.1'", "full_attention", "'sliding_attention'"}));
}

TEST_CASE("gpt-oss adds its sinks and biases", "[models][gpt_oss]") {
    const eo::memory_checkpoint whole = editable_copy("gpt_oss");
    for (const char* part : {"self_attn.sinks", "mlp.router.bias", "mlp.experts.1.gate_proj.bias",
                             "mlp.experts.1.up_proj.bias", "mlp.experts.1.down_proj.bias", "self_attn.o_proj.bias"}) {
        const std::string name = std::string("model.layers.1.").append(part);
        INFO(name);
        std::vector<float> values = support::values_of(whole, name);
        std::ranges::fill(values, 0.0f);
        eo::memory_checkpoint changed = editable_copy("gpt_oss");
        changed.add(name, {values.size()}, values);
        CHECK(worst(eo::gpt_oss<>::from_checkpoint(changed), golden("gpt_oss"), {1000}, 8) > 0.01f);
        CHECK(read_error<eo::gpt_oss<>>(support::lacking(whole, name)) == thrown(errc::missing_tensor, {part}));
    }
    CHECK(read_error<eo::gpt_oss<>>(editable_copy("gpt_oss").add("model.layers.0.self_attn.sinks", {3}, {1, 2, 3})) ==
          thrown(errc::wrong_shape, {"self_attn.sinks", "[4]", "[3]"}));
}

TEST_CASE("absent scaling is the public models' YaRN", "[models][gpt_oss]") {
    const std::string scaling = "rope_scaling.";
    eo::memory_checkpoint given = editable_copy("gpt_oss");
    given.set(scaling + "factor", 32.0).set(scaling + "original_max_position_embeddings", std::int64_t{4096});
    const support::lacking absent(
        given, std::vector<std::string>{"rope_scaling", "rope_scaling.rope_type", "rope_scaling.factor"});
    const eo::detail::checkpoint_reader written(given, "model."), left_out(absent, "model.");
    const eo::model_shape s = eo::gpt_oss_architecture::shape(written);
    const auto settings = [&](const eo::detail::checkpoint_reader& from) {
        return eo::detail::rotary_settings_reader(from, s, "full_attention", eo::gpt_oss_architecture::rotary_absent)
            .read();
    };
    CHECK(settings(written).type == "yarn");
    CHECK(settings(left_out).frequencies(8) == settings(written).frequencies(8));
    CHECK(settings(left_out).magnitude == settings(written).magnitude);
    const support::lacking base(absent, "rope_theta");
    CHECK(settings(eo::detail::checkpoint_reader(base, "model.")).theta == 150000.0);
}

TEST_CASE("gpt-oss refuses by name what it does not compute", "[models][gpt_oss][errors]") {
    const auto with = [](const std::string& key, eo::memory_checkpoint::value value) {
        return read_error<eo::gpt_oss<>>(editable_copy("gpt_oss").set(key, std::move(value)));
    };
    CHECK(with("swiglu_limit", 6.5) == thrown(errc::unsupported, {"'swiglu_limit'", "7", "6.5"}));
    CHECK(with("swiglu_alpha", 1.0) == thrown(errc::unsupported, {"'swiglu_alpha'", "1.702", "found 1"}));
    CHECK(with("swiglu_alpha", 1.702).code == "none");
    CHECK(with("hidden_act", std::string("gelu")) == thrown(errc::unsupported, {"'hidden_act'", "silu", "'gelu'"}));
    CHECK(with("experts_per_token", std::int64_t{3}) ==
          thrown(errc::unsupported, {"'experts_per_token'", "'num_experts_per_tok'", "2", "3"}));
    CHECK(with("num_experts", std::int64_t{5}) == thrown(errc::unsupported, {"'num_experts'"}));
    CHECK(with("num_local_experts", std::int64_t{6}) == thrown(errc::wrong_shape, {"mlp.router.weight", "[6, 24]"}));
    CHECK(with("quantization_config.quant_method", std::string("fp8")) ==
          thrown(errc::unsupported, {"'quantization_config'", "mxfp4 or weights that are not quantised", "'fp8'"}));
    CHECK(with("quantization_config.quant_method", std::string("mxfp4")).code == "none");
}
