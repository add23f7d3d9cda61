// SPDX-License-Identifier: MIT
#include <earlyout/kernels/arch/vnni.hpp>

#include "kernels/arch/check.hpp"
#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace arch = eo::kernels::arch;

#if defined(__AVX512BW__) && defined(__AVX512VNNI__)
TEST_CASE("VNNI of 512 bits", "[kernels][arch]") {
    support::check_instruction_set<xsimd::avx512bw, arch::vnni<xsimd::avx512bw>>();
}
#endif
#if defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))
TEST_CASE("VNNI of 256 bits", "[kernels][arch]") {
    support::check_instruction_set<xsimd::avx2, arch::vnni<xsimd::avx2>>();
}
#endif
TEST_CASE("VNNI changes nothing else", "[kernels][arch]") {
    STATIC_REQUIRE(arch::vector_registers(arch::vnni<xsimd::avx512bw>{}) == 32);
    STATIC_REQUIRE(arch::vector_registers(arch::vnni<xsimd::avx2>{}) == 16);
}
