// SPDX-License-Identifier: MIT
#include <earlyout/models/starcoder2.hpp>

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

TEST_CASE("StarCoder2's biases are optional", "[models][starcoder2]") {
    CHECK(worst(eo::starcoder2<>::from_checkpoint(editable_copy("starcoder2_no_bias")), golden("starcoder2_no_bias"),
                {1000}, 8) < tolerance);
    CHECK(read_error<eo::starcoder2<>>(editable_copy("starcoder2_no_bias").set("use_bias", true)) ==
          thrown(errc::missing_tensor, {".bias'", "missing"}));
}

TEST_CASE("absent keys of a StarCoder2 configuration have Hugging Face's defaults", "[models][starcoder2]") {
    eo::memory_checkpoint from;
    for (const char* key : {"num_hidden_layers", "vocab_size", "max_position_embeddings", "intermediate_size"}) {
        from.set(key, std::int64_t{2});
    }
    from.set("num_attention_heads", std::int64_t{16}).set("hidden_size", std::int64_t{64});
    CHECK(eo::starcoder2_architecture::shape({from, "model."}).kv_heads == 2);
}

TEST_CASE("StarCoder2 refuses unsupported settings by name", "[models][starcoder2][errors]") {
    const auto with = [](const char* key, const char* value) {
        return read_error<eo::starcoder2<>>(editable_copy("starcoder2").set(key, std::string(value)));
    };
    CHECK(with("norm_type", "rms_norm") == thrown(errc::unsupported, {"'norm_type'", "layer_norm", "'rms_norm'"}));
    CHECK(with("mlp_type", "gated") == thrown(errc::unsupported, {"'mlp_type'", "'gated'"}));
    // Leftovers of its configuration that mean nothing.
    CHECK(with("activation_function", "nonsense").code == "none");
}
