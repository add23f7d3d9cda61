// SPDX-License-Identifier: MIT
#include <earlyout/kernels/arch/sse2.hpp>

#include "kernels/arch/check.hpp"
#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace arch = eo::kernels::arch;

#if XSIMD_WITH_SSE2
TEST_CASE("SSE2", "[kernels][arch]") {
    support::check_instruction_set<xsimd::sse2>();
    STATIC_REQUIRE(arch::vector_registers(xsimd::sse2{}) == 16);
}
#endif
#if XSIMD_WITH_SSE4_2
TEST_CASE("SSE 4.2 takes what SSE2 has", "[kernels][arch]") { support::check_instruction_set<xsimd::sse4_2>(); }
#endif
