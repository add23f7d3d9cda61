// SPDX-License-Identifier: MIT
#include <earlyout/kernels/arch/all.hpp>
#include <earlyout/kernels/attention.hpp>
#include <earlyout/kernels/multiply_groups.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>

#include "kernels/arch/check.hpp"
#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace arch = eo::kernels::arch;

TEMPLATE_LIST_TEST_CASE("an instruction set with all its extensions", "[kernels][arch]", support::archs) {
    support::check_instruction_set<TestType>(arch::best<TestType>{});
    STATIC_REQUIRE(std::is_base_of_v<TestType, arch::best<TestType>>);
}

TEMPLATE_LIST_TEST_CASE("extensions are used if they are compiled in", "[kernels][arch]", support::archs) {
    using best = arch::best<TestType>;
#if defined(__AVX512BW__) && defined(__AVX512VNNI__)
    STATIC_REQUIRE(std::is_base_of_v<xsimd::avx512bw, TestType> <=
                   std::is_base_of_v<arch::vnni<arch::f16c<TestType>>, best>);
#endif
#if defined(__F16C__)
    STATIC_REQUIRE(std::is_base_of_v<xsimd::avx, TestType> <= std::is_base_of_v<arch::f16c<TestType>, best>);
    STATIC_REQUIRE(std::is_base_of_v<xsimd::avx, TestType> <= support::instruction_set<TestType, best>::loads_f16);
#endif
#if defined(__ARM_FEATURE_DOTPROD)
    STATIC_REQUIRE(std::is_base_of_v<arch::dotprod<xsimd::neon64>, best>);
#endif
#if defined(__ARM_FEATURE_MATMUL_INT8)
    STATIC_REQUIRE(support::instruction_set<TestType, best>::multiplies_eights);
    STATIC_REQUIRE(!support::instruction_set<TestType, best>::dots_signed);
#endif
    STATIC_REQUIRE(std::is_base_of_v<xsimd::sse2, TestType> <= std::is_same_v<TestType, best>);
}

TEMPLATE_LIST_TEST_CASE("tiles fill three quarters of the registers", "[kernels][arch]", support::archs) {
    namespace k = eo::kernels;
    const bool wide = arch::vector_registers(arch::best<TestType>{}) == 32;
    CHECK(k::sum_registers<TestType> == (wide ? 24 : 12));
    const std::size_t panel = k::panel_rows / k::lanes<TestType>, block = k::key_block / k::lanes<TestType>;
    CHECK((k::tile_tokens<TestType> == 1 || k::tile_tokens<TestType> * panel <= k::sum_registers<TestType>));
    CHECK((k::tile_tokens<TestType> + 1) * panel > k::sum_registers<TestType>);
    using tile = k::group_tile<TestType>;
    constexpr std::size_t held = (tile::shape.keeps_sums ? 2 : 1) * tile::parts;  // of each token
    CHECK((tile::tokens == 1 || tile::tokens * held <= k::sum_registers<TestType>));
    CHECK((tile::tokens + 1) * 2 * tile::parts > k::sum_registers<TestType>);
    CHECK(k::panel_rows % k::group_tile<TestType>::rows == 0);
    CHECK((k::tile_queries<TestType> + 1) * 2 * std::max<std::size_t>(2, block) > k::sum_registers<TestType>);
}

namespace {

/// Tile sizes: of products, of products in groups, of attention.
template <class Arch>
constexpr std::array<std::size_t, 3> tiles() {
    return {eo::kernels::tile_tokens<Arch>, eo::kernels::group_tile<Arch>::tokens, eo::kernels::tile_queries<Arch>};
}

}  // namespace

TEST_CASE("tile sizes of each instruction set", "[kernels][arch]") {
    using sizes [[maybe_unused]] = std::array<std::size_t, 3>;
#if XSIMD_WITH_SSE2
    CHECK(tiles<xsimd::sse2>() == sizes{1, 3, 1});
#endif
#if XSIMD_WITH_FMA3_AVX2
    CHECK(tiles<xsimd::fma3<xsimd::avx2>>() == sizes{3, 3, 3});
#endif
#if XSIMD_WITH_AVX512BW
    CHECK(tiles<xsimd::avx512bw>() == sizes{12, 6, 6});
#endif
#if XSIMD_WITH_NEON64
    CHECK(tiles<xsimd::neon64>() == sizes{3, 4, 3});
#endif
}
