// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_AVX_HPP
#define EARLYOUT_KERNELS_ARCH_AVX_HPP

#include <earlyout/kernels/arch/sse2.hpp>

#if defined(__AVX__)

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels::arch {

template <class Arch, class Op>
EARLYOUT_ALWAYS_INLINE float fold_lanes(const float_batch<Arch>& x, Op op, requires_arch<xsimd::avx>) noexcept {
    const float_batch<xsimd::sse2> lower(_mm256_castps256_ps128(x)), upper(_mm256_extractf128_ps(x, 1));
    return fold_lanes(float_batch<xsimd::sse2>(op(lower, upper)), op, xsimd::sse2{});
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
#endif
