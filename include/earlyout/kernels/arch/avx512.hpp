// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_AVX512_HPP
#define EARLYOUT_KERNELS_ARCH_AVX512_HPP

#include <earlyout/kernels/arch/avx.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels::arch {

constexpr std::size_t vector_registers(requires_arch<xsimd::avx512f>) noexcept { return 32; }

#if defined(__AVX512F__)

/// xsimd 8.1 spells it as a product and a sum here, which clang does not fuse.
template <class Arch>
EARLYOUT_ALWAYS_INLINE float_batch<Arch> multiply_add(const float_batch<Arch>& x, const float_batch<Arch>& y,
                                                      const float_batch<Arch>& z,
                                                      requires_arch<xsimd::avx512f>) noexcept {
    return _mm512_fmadd_ps(x, y, z);
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE word_batch<Arch> load_halves(const std::uint16_t* from, requires_arch<xsimd::avx512f>) noexcept {
    return word_batch<Arch>(_mm512_cvtepu16_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(from))));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_bytes(const std::uint8_t* from, requires_arch<xsimd::avx512f>) noexcept {
    return int_batch<Arch>(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE float_batch<Arch> load_f16(const std::uint16_t* from, requires_arch<xsimd::avx512f>) noexcept {
    return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE void store_bytes(const int_batch<Arch> (&from)[2], std::int8_t* to, std::int32_t* sums,
                                        requires_arch<xsimd::avx512f>) noexcept {
    for (std::size_t p = 0; p < 2; ++p) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + p * 16), _mm512_cvtepi32_epi8(from[p]));
        sums[p] = _mm512_reduce_add_epi32(from[p]);
    }
}

#endif
#if defined(__AVX512DQ__)

template <class Arch, class Op>
EARLYOUT_ALWAYS_INLINE float fold_lanes(const float_batch<Arch>& x, Op op, requires_arch<xsimd::avx512dq>) noexcept {
    const float_batch<xsimd::avx> lower(_mm512_castps512_ps256(x)), upper(_mm512_extractf32x8_ps(x, 1));
    return fold_lanes(float_batch<xsimd::avx>(op(lower, upper)), op, xsimd::avx{});
}

#endif
#if defined(__AVX512BW__)

/// Products of 16-bit halves, summed in pairs.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<xsimd::avx512bw>) noexcept {
    using ints = int_batch<Arch>;
    const ints even = a & ints(0x00ff00ff);
    const ints odd = (a >> 8) & ints(0x00ff00ff);
    const ints first = _mm512_madd_epi16(even, _mm512_srai_epi16(_mm512_slli_epi16(b, 8), 8));
    const ints second = _mm512_madd_epi16(odd, _mm512_srai_epi16(b, 8));
    return sum + first + second;
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> pair_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<xsimd::avx512bw>) noexcept {
    const int_batch<Arch> both = _mm512_madd_epi16(a, b);
    return sum + both;
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_byte_pairs(const std::int8_t* from,
                                                       requires_arch<xsimd::avx512bw>) noexcept {
    return int_batch<Arch>(_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
}

/// Pairs of products in 16 bits, then pairs of those.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot_small(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                      const int_batch<Arch>& sum,
                                                      requires_arch<xsimd::avx512bw>) noexcept {
    const int_batch<Arch> four = _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1));
    return sum + four;
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> look_up(const std::uint8_t* table, const int_batch<Arch>& bytes,
                                               requires_arch<xsimd::avx512bw>) noexcept {
    const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return int_batch<Arch>(_mm512_shuffle_epi8(_mm512_broadcast_i32x4(values), bytes));
}

#endif

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
