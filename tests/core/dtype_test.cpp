// SPDX-License-Identifier: MIT
#include <earlyout/core/dtype.hpp>

#include <cmath>
#include <limits>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("bf16 is the upper half of a float", "[core][dtype]") {
    STATIC_REQUIRE(eo::bf16_to_float(0x3f80) == 1.0f);
    STATIC_REQUIRE(eo::bf16_to_float(0xc000) == -2.0f);
    REQUIRE(std::isnan(eo::bf16_to_float(0x7fc0)));
}

TEST_CASE("f16 covers normal, subnormal and special values", "[core][dtype]") {
    STATIC_REQUIRE(eo::f16_to_float(0x3c00) == 1.0f);
    STATIC_REQUIRE(eo::f16_to_float(0xc000) == -2.0f);
    STATIC_REQUIRE(eo::f16_to_float(0x7bff) == 65504.0f);
    STATIC_REQUIRE(eo::f16_to_float(0x0400) == 0x1p-14f);
    STATIC_REQUIRE(eo::f16_to_float(0x0001) == 0x1p-24f);
    STATIC_REQUIRE(eo::f16_to_float(0x83ff) == -1023.0f * 0x1p-24f);
    REQUIRE(std::signbit(eo::f16_to_float(0x8000)));
    REQUIRE(eo::f16_to_float(0x7c00) == std::numeric_limits<float>::infinity());
    REQUIRE(std::isnan(eo::f16_to_float(0x7e00)));
}
