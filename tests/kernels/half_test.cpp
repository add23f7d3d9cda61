// SPDX-License-Identifier: MIT
#include <earlyout/core/dtype.hpp>
#include <earlyout/kernels/half.hpp>

#include <bit>
#include <cstdint>

#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEMPLATE_LIST_TEST_CASE("load_f16: every finite binary16", "[kernels][half]", support::archs) {
    constexpr std::size_t w = eo::kernels::lanes<TestType>;
    constexpr std::size_t parts = 32 / w;
    alignas(64) std::uint16_t bits[32];
    alignas(64) float values[32];
    for (std::uint32_t first = 0; first < 0x10000; first += 32) {
        if ((first & 0x7c00) == 0x7c00) continue;
        for (std::uint32_t i = 0; i < 32; ++i) bits[i] = static_cast<std::uint16_t>(first + i);
        eo::float_batch<TestType> batches[parts];
        eo::kernels::load_f16<TestType>(bits, batches);
        for (std::size_t p = 0; p < parts; ++p) batches[p].store_aligned(values + p * w);
        for (std::uint32_t i = 0; i < 32; ++i) {
            REQUIRE(std::bit_cast<std::uint32_t>(values[i]) == std::bit_cast<std::uint32_t>(eo::f16_to_float(bits[i])));
        }
    }
}

TEMPLATE_LIST_TEST_CASE("widen_f16 emulates the instruction", "[kernels][half]", support::archs) {
    constexpr std::size_t w = eo::kernels::lanes<TestType>;
    alignas(64) std::uint32_t bits[w];
    alignas(64) float values[w];
    for (std::uint32_t first = 0; first < 0x10000; first += w) {
        if ((first & 0x7c00) == 0x7c00) continue;
        for (std::uint32_t i = 0; i < w; ++i) bits[i] = first + i;
        eo::kernels::widen_f16<TestType>(xsimd::batch<std::uint32_t, TestType>::load_aligned(bits))
            .store_aligned(values);
        for (std::uint32_t i = 0; i < w; ++i) {
            REQUIRE(std::bit_cast<std::uint32_t>(values[i]) ==
                    std::bit_cast<std::uint32_t>(eo::f16_to_float(static_cast<std::uint16_t>(first + i))));
        }
    }
}
