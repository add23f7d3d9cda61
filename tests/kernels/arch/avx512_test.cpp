// SPDX-License-Identifier: MIT
#include <earlyout/kernels/arch/avx512.hpp>

#include "kernels/arch/check.hpp"
#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace arch = eo::kernels::arch;

TEST_CASE("AVX-512 has twice the registers", "[kernels][arch]") {
    STATIC_REQUIRE(arch::vector_registers(xsimd::avx512f{}) == 32);
    STATIC_REQUIRE(arch::vector_registers(xsimd::avx512bw{}) == 32);
}
#if XSIMD_WITH_AVX512BW
TEST_CASE("AVX-512", "[kernels][arch]") {
    support::check_instruction_set<xsimd::avx512bw>();
    STATIC_REQUIRE(support::instruction_set<xsimd::avx512bw, xsimd::avx512bw>::loads_f16);
}
TEST_CASE("AVX-512 without byte operations", "[kernels][arch]") {
    support::check_instruction_set<xsimd::avx512bw>(xsimd::avx512f{});
}
#endif
