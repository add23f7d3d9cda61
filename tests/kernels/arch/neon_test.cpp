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

#if XSIMD_WITH_NEON64
TEST_CASE("NEON without its extensions", "[kernels][arch]") {
    support::check_instruction_set<xsimd::neon64>();
    using set = support::instruction_set<xsimd::neon64, xsimd::neon64>;
    STATIC_REQUIRE(set::loads_f16);
    STATIC_REQUIRE(set::loads_bf16);
    STATIC_REQUIRE(set::dots_signed);
    STATIC_REQUIRE(!set::multiplies_eights);
    const float three[3] = {1.0f, 2.0f, 3.0f};
    std::uint16_t to[3] = {};
    CHECK(arch::encode_f16(three, 3, to, xsimd::neon64{}) == 0);
}
#endif
