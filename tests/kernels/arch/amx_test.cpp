// SPDX-License-Identifier: MIT
#include <earlyout/kernels/arch/amx.hpp>

#include <cstddef>
#include <cstdint>

#include "kernels/arch/check.hpp"
#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace arch = eo::kernels::arch;

#if defined(EARLYOUT_DETAIL_AMX)
TEST_CASE("AMX: two products of 16 tokens with 16 rows", "[kernels][arch]") {
    using unit = decltype(arch::matrix_unit(arch::amx<xsimd::avx512bw>{}));
    STATIC_REQUIRE(unit::is_there);
    STATIC_REQUIRE(arch::vector_registers(arch::amx<xsimd::avx512bw>{}) == 32);
    if (!unit::is_permitted()) return;
    support::random_source random(3);
    alignas(64) std::int8_t values[2][16][32], codes[2][8][16][4];
    for (auto* bytes : {&values[0][0][0], &codes[0][0][0][0]}) {
        for (std::size_t i = 0; i < 1024; ++i) bytes[i] = static_cast<std::int8_t>(random.index(256));
    }
    alignas(64) std::int32_t sums[2][16][16];
    {
        const unit::registers registers(32);
        eo::platform::write_all();
        unit::start<false>(reinterpret_cast<const std::uint8_t*>(codes[0]), 64, values[0][0], 32);
        unit::start<true>(reinterpret_cast<const std::uint8_t*>(codes[1]), 64, values[1][0], 32);
        unit::finish<false>(sums[0][0]);
        unit::finish<true>(sums[1][0]);
    }
    for (std::size_t set = 0; set < 2; ++set) {
        for (std::size_t t = 0; t < 16; ++t) {
            for (std::size_t r = 0; r < 16; ++r) {
                std::int32_t expected = 0;
                for (std::size_t k = 0; k < 32; ++k) expected += values[set][t][k] * codes[set][k / 4][r][k % 4];
                REQUIRE(sums[set][t][r] == expected);
            }
        }
    }
}
#else
TEST_CASE("without AMX there is no matrix unit", "[kernels][arch]") {
    STATIC_REQUIRE(!eo::kernels::matrix_unit_of<eo::default_arch>::is_there);
}
#endif
