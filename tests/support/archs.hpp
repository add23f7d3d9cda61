// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_ARCHS_HPP
#define EARLYOUT_TESTS_SUPPORT_ARCHS_HPP

#include <earlyout/kernels/simd.hpp>

#include <tuple>

namespace support {

/// One instruction set of each kind that this translation unit may use, for TEMPLATE_LIST_TEST_CASE. With
/// EARLYOUT_TEST_FEW_ARCHS those in between are left to another build.
using archs = std::tuple<
#if XSIMD_WITH_SSE2
    xsimd::sse2,
#endif
#if XSIMD_WITH_SSE4_2 && !defined(EARLYOUT_TEST_FEW_ARCHS)
    xsimd::sse4_2,
#endif
#if XSIMD_WITH_AVX && !defined(EARLYOUT_TEST_FEW_ARCHS)
    xsimd::avx,
#endif
#if XSIMD_WITH_FMA3_AVX2
    xsimd::fma3<xsimd::avx2>,
#endif
#if XSIMD_WITH_AVX512BW && !defined(EARLYOUT_TEST_FEW_ARCHS)
    xsimd::avx512bw,
#endif
    xsimd::default_arch>;

/// Calls body(an instruction set) for each of `archs`.
template <class Body>
void for_each_arch(Body body) {
    std::apply([&](auto... arch) { (body(arch), ...); }, archs{});
}

/// Those of them whose products and sums are not fused. Where the translation unit may fuse them, compilers sometimes
/// do so for an instruction set without fused operations too.
using exact_archs = std::tuple<
#if !defined(__FMA__)
#if XSIMD_WITH_SSE2
    xsimd::sse2,
#endif
#if XSIMD_WITH_SSE4_2
    xsimd::sse4_2,
#endif
#if XSIMD_WITH_AVX
    xsimd::avx,
#endif
#else
#if XSIMD_WITH_FMA3_AVX2
    xsimd::fma3<xsimd::avx2>,
#endif
#if XSIMD_WITH_AVX512BW && !defined(EARLYOUT_TEST_FEW_ARCHS)
    xsimd::avx512bw,
#endif
#endif
    xsimd::default_arch>;

}  // namespace support

#endif
