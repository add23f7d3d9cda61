// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_BYTE_DOT_HPP
#define EARLYOUT_KERNELS_BYTE_DOT_HPP

#include <earlyout/kernels/simd.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// A register of 32-bit integers, each also seen as four bytes.
template <class Arch>
using int_batch = xsimd::batch<std::int32_t, Arch>;

/// How the products of bytes are computed. All give the same integers.
namespace byte_dot_by {

/// Shifts and 32-bit products: runs everywhere.
struct words {};
/// Products of 16-bit halves summed in pairs: SSE2, AVX2, AVX-512BW.
struct halves {};
/// One instruction: AVX-512 VNNI, AVX-VNNI.
struct vnni {};

template <class Arch>
constexpr auto choose() noexcept {
    constexpr bool avx512 = std::is_base_of_v<xsimd::avx512bw, Arch>;
    constexpr bool avx2 = std::is_base_of_v<xsimd::avx2, Arch>;
#if defined(__AVX512BW__) && defined(__AVX512VNNI__)
    constexpr bool on_512_bits = avx512;
#else
    constexpr bool on_512_bits = false;
#endif
#if defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))
    constexpr bool on_256_bits = avx2;
#else
    constexpr bool on_256_bits = false;
#endif
    if constexpr (on_512_bits || on_256_bits) {
        return vnni{};
    } else if constexpr (avx512 || avx2 || std::is_base_of_v<xsimd::sse2, Arch>) {
        return halves{};
    } else {
        return words{};
    }
}

/// The fastest way of an instruction set.
template <class Arch>
using best = decltype(choose<Arch>());

}  // namespace byte_dot_by

/// sum + the products of four unsigned bytes of `a` with four signed bytes of `b`, in each 32-bit lane.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b, int_batch<Arch> sum,
                                                byte_dot_by::words) noexcept {
    using ints = int_batch<Arch>;
    const ints low(0xff);
    sum += (a & low) * ((b << 24) >> 24);
    sum += ((a >> 8) & low) * ((b << 16) >> 24);
    sum += ((a >> 16) & low) * ((b << 8) >> 24);
    return sum + ((a >> 24) & low) * (b >> 24);
}

#if defined(__SSE2__)
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, byte_dot_by::halves) noexcept {
    using ints = int_batch<Arch>;
    const ints even = a & ints(0x00ff00ff);
    const ints odd = (a >> 8) & ints(0x00ff00ff);
    if constexpr (lanes<Arch> == 4) {
        const ints first = _mm_madd_epi16(even, _mm_srai_epi16(_mm_slli_epi16(b, 8), 8));
        const ints second = _mm_madd_epi16(odd, _mm_srai_epi16(b, 8));
        return sum + first + second;
    }
#if defined(__AVX2__)
    if constexpr (lanes<Arch> == 8) {
        const ints first = _mm256_madd_epi16(even, _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
        const ints second = _mm256_madd_epi16(odd, _mm256_srai_epi16(b, 8));
        return sum + first + second;
    }
#endif
#if defined(__AVX512BW__)
    if constexpr (lanes<Arch> == 16) {
        const ints first = _mm512_madd_epi16(even, _mm512_srai_epi16(_mm512_slli_epi16(b, 8), 8));
        const ints second = _mm512_madd_epi16(odd, _mm512_srai_epi16(b, 8));
        return sum + first + second;
    }
#endif
}
#endif

#if defined(__AVXVNNI__) || defined(__AVX512VNNI__)
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, byte_dot_by::vnni) noexcept {
    using raw = typename int_batch<Arch>::register_type;  // some of these are macros that cast
    const raw x = a, y = b, z = sum;
#if defined(__AVX512VNNI__)
    if constexpr (lanes<Arch> == 16) return raw(_mm512_dpbusd_epi32(z, x, y));
#endif
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    if constexpr (lanes<Arch> == 8) return raw(_mm256_dpbusd_epi32(z, x, y));
#elif defined(__AVXVNNI__)
    if constexpr (lanes<Arch> == 8) return raw(_mm256_dpbusd_avx_epi32(z, x, y));
#endif
}
#endif

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
