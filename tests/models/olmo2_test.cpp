// SPDX-License-Identifier: MIT
#include <earlyout/models/olmo2.hpp>

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

TEST_CASE("OLMo 2 computes what PyTorch computes", "[models][olmo2]") {
    for (const std::string name : {"olmo2", "olmo2_biases"}) {
        INFO(name);
        const auto model = eo::olmo2<>::from_checkpoint(editable_copy(name));
        CHECK(worst(model, golden(name), {6, 1, 4}, 8) < tolerance);
    }
}

TEST_CASE("OLMo 2 refuses what it has no place for", "[models][olmo2][errors]") {
    CHECK(read_error<eo::olmo2<>>(editable_copy("olmo2").set("clip_qkv", 8.0)) ==
          thrown(errc::unsupported, {"'clip_qkv'", "8"}));
    CHECK(read_error<eo::olmo2<>>(editable_copy("olmo2").set("num_key_value_heads", nullptr)) ==
          thrown(errc::wrong_shape, {"k_proj.weight"}));
    CHECK(read_error<eo::olmo2<>>(editable_copy("olmo2").set("intermediate_size", std::int64_t{64})) ==
          thrown(errc::wrong_shape, {"gate_proj.weight"}));
}
