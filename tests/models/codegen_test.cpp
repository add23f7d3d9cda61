// SPDX-License-Identifier: MIT
#include <earlyout/models/codegen.hpp>

#include <cstdint>
#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"
#include "support/lacking.hpp"

namespace eo = earlyout;
using eo::errc;
using support::editable_copy;
using support::error_of;
using support::golden;
using support::read_error;
using support::thrown;
using support::tolerance;
using support::worst;

TEST_CASE("CodeGen rotates rotary_dim elements of a head", "[models][codegen]") {
    const golden expected("codegen");
    CHECK(worst(eo::codegen<>::from_checkpoint(editable_copy("codegen")), expected, {1000}, 8) < tolerance);
    CHECK(worst(eo::codegen<>::from_checkpoint(editable_copy("codegen").set("rotary_dim", std::int64_t{6})), expected,
                {1000}, 8) > 0.01f);
    // Absent: 64 elements, Hugging Face's default.
    CHECK(read_error<eo::codegen<>>(support::lacking(editable_copy("codegen"), "rotary_dim")) ==
          thrown(errc::wrong_value, {"'rotary_dim'", "up to 6", "found 64"}));
}

TEST_CASE("CodeGen refuses invalid settings", "[models][codegen][errors]") {
    const auto with = [](const char* key, std::int64_t value) {
        return read_error<eo::codegen<>>(editable_copy("codegen").set(key, value));
    };
    CHECK(with("rotary_dim", 3) == thrown(errc::wrong_value, {"'rotary_dim'", "even", "found 3"}));
    CHECK(with("rotary_dim", 8) == thrown(errc::wrong_value, {"'rotary_dim'", "up to 6", "found 8"}));
    CHECK(with("n_head", 6) == thrown(errc::unsupported, {"'n_head'", "multiple of 4", "found 6"}));
    CHECK(read_error<eo::codegen<>>(editable_copy("codegen", "lm_head.bias", "elsewhere")) ==
          thrown(errc::missing_tensor, {"'lm_head.bias'"}));
}
