// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_HALF_HPP
#define EARLYOUT_KERNELS_HALF_HPP

#include <earlyout/kernels/formats.hpp>
#include <earlyout/kernels/simd.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// True when one instruction turns a register of binary16 into floats.
template <class Arch>
inline constexpr bool converts_f16 =
#if defined(__AVX512F__)
    std::is_base_of_v<xsimd::avx512f, Arch> ||
#endif
#if defined(__F16C__)
    std::is_base_of_v<xsimd::avx, Arch> ||
#endif
    false;

/// 16-bit floats spelled out in integer operations, exact for every finite one: the exponent's bias is corrected by a
/// multiplication, which also brings subnormals into place.
template <class Arch>
EARLYOUT_ALWAYS_INLINE float_batch<Arch> widen_f16(const xsimd::batch<std::uint32_t, Arch>& bits) noexcept {
    using words = xsimd::batch<std::uint32_t, Arch>;
    const words sign = (bits & words(0x8000u)) << 16;
    const words magnitude = (bits & words(0x7fffu)) << 13;
    const auto scaled = std::bit_cast<float_batch<Arch>>(magnitude) * float_batch<Arch>(0x1p112f);
    return std::bit_cast<float_batch<Arch>>(std::bit_cast<words>(scaled) | sign);
}

/// One register's worth of 16-bit values as 32-bit ones, in order. `from` is aligned to half a register.
template <class Arch>
EARLYOUT_ALWAYS_INLINE xsimd::batch<std::uint32_t, Arch> load_halves(const std::uint16_t* from) noexcept {
    using words = xsimd::batch<std::uint32_t, Arch>;
#if defined(__AVX512F__)
    if constexpr (lanes<Arch> == 16) {
        return words(_mm512_cvtepu16_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(from))));
    }
#endif
#if defined(__AVX2__)
    if constexpr (lanes<Arch> == 8) {
        return words(_mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(from))));
    }
#endif
#if defined(__SSE2__)
    if constexpr (lanes<Arch> == 4) {
        const __m128i halves = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
        return words(_mm_unpacklo_epi16(halves, _mm_setzero_si128()));
    }
#endif
    alignas(64) std::uint32_t values[words::size];
    for (std::size_t i = 0; i < words::size; ++i) values[i] = from[i];
    return words::load_aligned(values);
}

/// to = the `Parts` registers of floats that begin at `from`. `from` is aligned to a register; all finite.
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_f16(const std::uint16_t* from, float_batch<Arch> (&to)[Parts]) noexcept {
    constexpr std::size_t w = lanes<Arch>;
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts; ++p, from += w) {
        if constexpr (converts_f16<Arch>) {
#if defined(__AVX512F__)
            if constexpr (w == 16) to[p] = _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
#endif
#if defined(__F16C__)
            if constexpr (w == 8) to[p] = _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
#endif
        } else {
            to[p] = widen_f16<Arch>(load_halves<Arch>(from));
        }
    }
}

/// to = the `Parts` registers of floats whose elements begin at `from`, in order. `from` is aligned to a register.
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_contiguous(f32, const float* from, float_batch<Arch> (&to)[Parts]) noexcept {
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts; ++p) to[p] = float_batch<Arch>::load_aligned(from + p * lanes<Arch>);
}
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_contiguous(f16, const std::uint16_t* from, float_batch<Arch> (&to)[Parts]) noexcept {
    load_f16<Arch>(from, to);
}
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_contiguous(bf16, const std::uint16_t* from, float_batch<Arch> (&to)[Parts]) noexcept {
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts; ++p) {
        to[p] = std::bit_cast<float_batch<Arch>>(load_halves<Arch>(from + p * lanes<Arch>) << 16);
    }
}

/// to[i] = Format::encode(from[i]), i in [0, n).
template <element_format Format>
inline void encode(Format, const float* from, std::size_t n, typename Format::element* to) noexcept {
    std::size_t i = 0;
#if defined(__F16C__)
    if constexpr (std::is_same_v<Format, f16>) {
        const __m256 most = _mm256_set1_ps(65504.0f), least = _mm256_set1_ps(-65504.0f);
        for (; i + 8 <= n; i += 8) {
            const __m256 within = _mm256_min_ps(_mm256_max_ps(_mm256_loadu_ps(from + i), least), most);
            const __m128i bits = _mm256_cvtps_ph(within, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
            _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), bits);
        }
    }
#endif
    for (; i < n; ++i) to[i] = Format::encode(from[i]);
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
