// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_F16C_HPP
#define EARLYOUT_KERNELS_ARCH_F16C_HPP

#include <earlyout/kernels/arch/generic.hpp>

#include <concepts>

/// @file Conversions between binary16 and float: beside AVX and later sets; xsimd has no tag for them.

#if defined(__F16C__)

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels::arch {

/// `Arch` with F16C.
template <class Arch>
struct f16c : Arch {};

template <class Arch>
    requires std::derived_from<Arch, xsimd::avx> || std::derived_from<Arch, xsimd::avx512f>
struct extension<1, Arch> {
    using tag = f16c<Arch>;
};

template <class Arch, std::derived_from<xsimd::avx> Base>
EARLYOUT_ALWAYS_INLINE float_batch<Arch> load_f16(const std::uint16_t* from, requires_arch<f16c<Base>>) noexcept {
    return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
}

template <class Base>
inline std::size_t encode_f16(const float* from, std::size_t n, std::uint16_t* to, requires_arch<f16c<Base>>) noexcept {
    const __m256 most = _mm256_set1_ps(65504.0f), least = _mm256_set1_ps(-65504.0f);
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 within = _mm256_min_ps(_mm256_max_ps(_mm256_loadu_ps(from + i), least), most);
        const __m128i bits = _mm256_cvtps_ph(within, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), bits);
    }
    return i;
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
#endif
