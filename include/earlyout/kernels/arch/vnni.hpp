// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_VNNI_HPP
#define EARLYOUT_KERNELS_ARCH_VNNI_HPP

#include <earlyout/kernels/arch/generic.hpp>

#include <concepts>

/// @file Products of bytes and of 16-bit integers in one instruction: AVX-512 VNNI and AVX-VNNI; xsimd has no tag for
/// them.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels::arch {

/// `Arch` with VNNI for its registers.
template <class Arch>
struct vnni : Arch {};

#if defined(__AVX512BW__) && defined(__AVX512VNNI__)

template <std::derived_from<xsimd::avx512bw> Arch>
struct extension<2, Arch> {
    using tag = vnni<Arch>;
};

template <class Arch, std::derived_from<xsimd::avx512bw> Base>
int_batch<Arch> byte_dot_small(const int_batch<Arch>&, const int_batch<Arch>&, const int_batch<Arch>&,
                               requires_arch<vnni<Base>>) noexcept = delete;

template <class Arch, std::derived_from<xsimd::avx512bw> Base>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<vnni<Base>>) noexcept {
    const __m512i x = a, y = b, z = sum;  // some compilers implement it as a macro that casts
    return __m512i(_mm512_dpbusd_epi32(z, x, y));
}

template <class Arch, std::derived_from<xsimd::avx512bw> Base>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> pair_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<vnni<Base>>) noexcept {
    const __m512i x = a, y = b, z = sum;
    return __m512i(_mm512_dpwssd_epi32(z, x, y));
}

#endif
#if defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))

template <std::derived_from<xsimd::avx2> Arch>
struct extension<2, Arch> {
    using tag = vnni<Arch>;
};

template <class Arch, std::derived_from<xsimd::avx2> Base>
int_batch<Arch> byte_dot_small(const int_batch<Arch>&, const int_batch<Arch>&, const int_batch<Arch>&,
                               requires_arch<vnni<Base>>) noexcept = delete;

template <class Arch, std::derived_from<xsimd::avx2> Base>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<vnni<Base>>) noexcept {
    const __m256i x = a, y = b, z = sum;
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    return __m256i(_mm256_dpbusd_epi32(z, x, y));
#else
    return __m256i(_mm256_dpbusd_avx_epi32(z, x, y));
#endif
}

template <class Arch, std::derived_from<xsimd::avx2> Base>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> pair_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<vnni<Base>>) noexcept {
    const __m256i x = a, y = b, z = sum;
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    return __m256i(_mm256_dpwssd_epi32(z, x, y));
#else
    return __m256i(_mm256_dpwssd_avx_epi32(z, x, y));
#endif
}

#endif

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
