// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_SSE2_HPP
#define EARLYOUT_KERNELS_ARCH_SSE2_HPP

#include <earlyout/kernels/arch/generic.hpp>

#include <cstring>

#if defined(__SSE2__)

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels::arch {

template <class Arch, class Op>
EARLYOUT_ALWAYS_INLINE float fold_lanes(const float_batch<Arch>& x, Op op, requires_arch<xsimd::sse2>) noexcept {
    const float_batch<xsimd::sse2> all(x.data), pair = op(all, float_batch<xsimd::sse2>(_mm_movehl_ps(all, all)));
    return _mm_cvtss_f32(op(pair, float_batch<xsimd::sse2>(_mm_shuffle_ps(pair, pair, 1))));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE word_batch<Arch> load_halves(const std::uint16_t* from, requires_arch<xsimd::sse2>) noexcept {
    const __m128i halves = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    return word_batch<Arch>(_mm_unpacklo_epi16(halves, _mm_setzero_si128()));
}

/// Products of 16-bit halves, summed in pairs.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<xsimd::sse2>) noexcept {
    using ints = int_batch<Arch>;
    const ints even = a & ints(0x00ff00ff);
    const ints odd = (a >> 8) & ints(0x00ff00ff);
    const ints first = _mm_madd_epi16(even, _mm_srai_epi16(_mm_slli_epi16(b, 8), 8));
    const ints second = _mm_madd_epi16(odd, _mm_srai_epi16(b, 8));
    return sum + first + second;
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> pair_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<xsimd::sse2>) noexcept {
    const int_batch<Arch> both = _mm_madd_epi16(a, b);
    return sum + both;
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_byte_pairs(const std::int8_t* from, requires_arch<xsimd::sse2>) noexcept {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    return int_batch<Arch>(_mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_bytes(const std::uint8_t* from, requires_arch<xsimd::sse2>) noexcept {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    const __m128i zero = _mm_setzero_si128(), halves = _mm_unpacklo_epi8(_mm_cvtsi32_si128(four), zero);
    return int_batch<Arch>(_mm_unpacklo_epi16(halves, zero));
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
#endif
