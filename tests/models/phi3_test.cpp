// SPDX-License-Identifier: MIT
#include <earlyout/models/phi3.hpp>

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

TEST_CASE("Phi-3 computes what PyTorch computes", "[models][phi3]") {
    for (const std::string name : {"phi3", "phi3_longrope"}) {
        INFO(name);
        const auto model = eo::phi3<>::from_checkpoint(editable_copy(name));
        CHECK(worst(model, golden(name), {6, 1, 4}, 8) < tolerance);
    }
}

TEST_CASE("LongRoPE ends the model's context where its frequencies change", "[models][phi3]") {
    CHECK(eo::phi3<>::from_checkpoint(editable_copy("phi3_longrope")).shape().context == 48);
    auto from = editable_copy("phi3_longrope");
    from.set("max_position_embeddings", std::int64_t{40});
    CHECK(eo::phi3<>::from_checkpoint(from).shape().context == 40);
    CHECK(eo::phi3<>::from_checkpoint(editable_copy("phi3")).shape().context == 4096);
}

TEST_CASE("older names of LongRoPE mean the same in Phi-3", "[models][phi3]") {
    for (const char* type : {"su", "yarn"}) {
        auto from = editable_copy("phi3_longrope");
        from.set("rope_scaling.type", std::string(type));
        CHECK(worst(eo::phi3<>::from_checkpoint(from), golden("phi3_longrope"), {100}, 8) < tolerance);
    }
    auto other = editable_copy("phi3_longrope");
    other.set("rope_scaling.attention_factor", 1.0);
    CHECK(worst(eo::phi3<>::from_checkpoint(other), golden("phi3_longrope"), {100}, 8) > 0.01f);
}

TEST_CASE("Phi-3 refuses unsupported settings by name", "[models][phi3][errors]") {
    const auto with = [](const char* key, const eo::memory_checkpoint::value& v) {
        return read_error<eo::phi3<>>(editable_copy("phi3_longrope").set(key, v));
    };
    CHECK(with("rope_scaling.type", std::string("linear")) ==
          thrown(errc::unsupported, {"'rope_scaling.type'", "default, longrope", "'linear'"}));
    CHECK(with("rope_scaling.short_factor.3", 1.0) ==
          thrown(errc::wrong_value, {"'rope_scaling.short_factor'", "expected 3 numbers", "found 4"}));
    CHECK(with("rope_scaling.short_factor.1", 0.0) == thrown(errc::wrong_value, {"short_factor.1'", "found 0"}));
    CHECK(with("original_max_position_embeddings", std::int64_t{1}) ==
          thrown(errc::wrong_value, {"'original_max_position_embeddings'", "more than 1"}));
    CHECK(with("rope_scaling.attention_factor", 1e9) == thrown(errc::wrong_value, {"magnitude"}));
    CHECK(with("partial_rotary_factor", 1.5) == thrown(errc::unsupported, {"'partial_rotary_factor'", "1.5"}));
    CHECK(with("partial_rotary_factor", 0.9) == thrown(errc::unsupported, {"an even number", "found 7 of 8"}));
    CHECK(with("num_key_value_heads", std::int64_t{3}) == thrown(errc::wrong_shape, {"qkv_proj.weight", "[72, 24]"}));
    CHECK(with("intermediate_size", std::int64_t{32}) == thrown(errc::wrong_shape, {"gate_up_proj.weight"}));
}
