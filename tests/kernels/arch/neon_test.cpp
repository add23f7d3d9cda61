// SPDX-License-Identifier: MIT
#include <earlyout/kernels/arch/neon.hpp>

#include "kernels/arch/check.hpp"
#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace arch = eo::kernels::arch;

TEST_CASE("NEON of 64 bits has as many registers as AVX-512", "[kernels][arch]") {
    STATIC_REQUIRE(arch::vector_registers(xsimd::neon64{}) == 32);
    STATIC_REQUIRE(arch::vector_registers(xsimd::neon{}) == 16);
}
