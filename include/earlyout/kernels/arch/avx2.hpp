// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_AVX2_HPP
#define EARLYOUT_KERNELS_ARCH_AVX2_HPP

#include <earlyout/kernels/arch/avx.hpp>

#if defined(__AVX2__)

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels::arch {

template <class Arch>
EARLYOUT_ALWAYS_INLINE word_batch<Arch> load_halves(const std::uint16_t* from, requires_arch<xsimd::avx2>) noexcept {
    return word_batch<Arch>(_mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(from))));
}

/// Products of 16-bit halves, summed in pairs.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<xsimd::avx2>) noexcept {
    using ints = int_batch<Arch>;
    const ints even = a & ints(0x00ff00ff);
    const ints odd = (a >> 8) & ints(0x00ff00ff);
    const ints first = _mm256_madd_epi16(even, _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
    const ints second = _mm256_madd_epi16(odd, _mm256_srai_epi16(b, 8));
    return sum + first + second;
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
#endif
