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

/// Pairs of products in 16 bits, then pairs of those.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot_small(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                      const int_batch<Arch>& sum, requires_arch<xsimd::avx2>) noexcept {
    const int_batch<Arch> four = _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1));
    return sum + four;
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> pair_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<xsimd::avx2>) noexcept {
    const int_batch<Arch> both = _mm256_madd_epi16(a, b);
    return sum + both;
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_byte_pairs(const std::int8_t* from, requires_arch<xsimd::avx2>) noexcept {
    return int_batch<Arch>(_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_bytes(const std::uint8_t* from, requires_arch<xsimd::avx2>) noexcept {
    return int_batch<Arch>(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> look_up(const std::uint8_t* table, const int_batch<Arch>& bytes,
                                               requires_arch<xsimd::avx2>) noexcept {
    const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return int_batch<Arch>(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(values), bytes));
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
#endif
