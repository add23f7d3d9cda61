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

TEST_CASE("float_to_f16 rounds to nearest, ties to even, and stays finite", "[core][dtype]") {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        if ((bits & 0x7c00) == 0x7c00) continue;
        const auto exact = static_cast<std::uint16_t>(bits);
        const float value = eo::f16_to_float(exact);
        REQUIRE(eo::float_to_f16(value) == exact);
        if ((bits & 0x7fff) == 0x7bff) continue;
        const auto next = static_cast<std::uint16_t>(bits + 1);  // away from zero
        const float middle = 0.5f * value + 0.5f * eo::f16_to_float(next);
        REQUIRE(eo::float_to_f16(middle) == (bits % 2 == 0 ? exact : next));
        REQUIRE(eo::float_to_f16(std::nextafter(middle, value)) == exact);
        REQUIRE(eo::float_to_f16(std::nextafter(middle, eo::f16_to_float(next))) == next);
    }
    CHECK(eo::float_to_f16(1e6f) == 0x7bff);
    CHECK(eo::float_to_f16(-std::numeric_limits<float>::max()) == 0xfbff);
    CHECK(eo::float_to_f16(std::numeric_limits<float>::denorm_min()) == 0);
    STATIC_REQUIRE(eo::float_to_f16(1.0f) == 0x3c00);
}

TEST_CASE("float_to_bf16 rounds to nearest, ties to even, and stays finite", "[core][dtype]") {
    // Every bfloat16 is its own nearest; halfway to the next one rounds to the even of the two.
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        if ((bits & 0x7f80) == 0x7f80) continue;
        const auto exact = static_cast<std::uint16_t>(bits);
        REQUIRE(eo::float_to_bf16(eo::bf16_to_float(exact)) == exact);
        if ((bits & 0x7fff) == 0x7f7f) continue;
        const auto above = [&](std::uint32_t low) { return std::bit_cast<float>(bits << 16 | low); };
        const auto next = static_cast<std::uint16_t>(bits + 1);
        REQUIRE(eo::float_to_bf16(above(0x7fff)) == exact);
        REQUIRE(eo::float_to_bf16(above(0x8001)) == next);
        REQUIRE(eo::float_to_bf16(above(0x8000)) == (bits % 2 == 0 ? exact : next));
    }
    CHECK(eo::float_to_bf16(std::numeric_limits<float>::max()) == 0x7f7f);
    CHECK(eo::float_to_bf16(-std::numeric_limits<float>::max()) == 0xff7f);
    CHECK(eo::float_to_bf16(1.0f) == 0x3f80);
}
