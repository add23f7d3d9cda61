// SPDX-License-Identifier: MIT
#include <earlyout/models/stablelm.hpp>

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

TEST_CASE("StableLM computes what PyTorch computes", "[models][stablelm]") {
    for (const std::string name : {"stablelm", "stablelm_biases"}) {
        INFO(name);
        const auto model = eo::stablelm<>::from_checkpoint(editable_copy(name));
        CHECK(worst(model, golden(name), {6, 1, 4}, 8) < tolerance);
    }
}

TEST_CASE("StableLM refuses unsupported settings by name", "[models][stablelm][errors]") {
    const auto with = [](const char* key, const eo::memory_checkpoint::value& v) {
        return read_error<eo::stablelm<>>(editable_copy("stablelm").set(key, v));
    };
    CHECK(with("qk_layernorm", true) == thrown(errc::unsupported, {"'qk_layernorm'", "found true"}));
    CHECK(with("use_parallel_residual", true) == thrown(errc::unsupported, {"'use_parallel_residual'", "found true"}));
    CHECK(with("use_qkv_bias", true) == thrown(errc::missing_tensor, {"q_proj.bias"}));
    CHECK(with("partial_rotary_factor", 0.2) == thrown(errc::unsupported, {"an even number", "found 3 of 16"}));
    CHECK(with("num_key_value_heads", nullptr) == thrown(errc::wrong_shape, {"k_proj.weight"}));
}
