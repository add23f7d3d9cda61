// SPDX-License-Identifier: MIT
#include <earlyout/kernels/arch/i8mm.hpp>

#include <type_traits>

#include "kernels/arch/check.hpp"
#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace arch = eo::kernels::arch;

#if XSIMD_WITH_NEON64 && defined(__ARM_FEATURE_MATMUL_INT8)
TEST_CASE("products of byte matrices", "[kernels][arch]") {
    using tag = arch::i8mm<xsimd::neon64>;
    support::check_instruction_set<xsimd::neon64, tag>();
    STATIC_REQUIRE(support::instruction_set<xsimd::neon64, tag>::multiplies_eights);
    STATIC_REQUIRE(!support::instruction_set<xsimd::neon64, tag>::dots_signed);
    STATIC_REQUIRE(arch::vector_registers(tag{}) == 32);
}
#else
TEST_CASE("without products of byte matrices there is no tag for them", "[kernels][arch]") {
    STATIC_REQUIRE(std::is_same_v<arch::extension<3, xsimd::neon64>::tag, xsimd::neon64>);
    STATIC_REQUIRE(!support::instruction_set<eo::default_arch, eo::default_arch>::multiplies_eights);
}
#endif
