// SPDX-License-Identifier: MIT
#include <earlyout/kernels/arch/avx.hpp>

#include "kernels/arch/check.hpp"
#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace arch = eo::kernels::arch;

#if XSIMD_WITH_AVX
TEST_CASE("AVX", "[kernels][arch]") {
    support::check_instruction_set<xsimd::avx>();
    STATIC_REQUIRE(arch::vector_registers(xsimd::avx{}) == 16);
}
#endif
