// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_SIMD_HPP
#define EARLYOUT_KERNELS_SIMD_HPP

#include <earlyout/core/platform.hpp>

EARLYOUT_DETAIL_FOREIGN_BEGIN
#include <xsimd/xsimd.hpp>
EARLYOUT_DETAIL_FOREIGN_END

#include <cstddef>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The widest instruction set this translation unit may use. Kernels take it as an arch tag, so that a
/// test can run each of them on every narrower set too.
using default_arch = xsimd::default_arch;

/// A register of floats.
template <class Arch>
using float_batch = xsimd::batch<float, Arch>;

namespace kernels {

/// Floats per register.
template <class Arch>
inline constexpr std::size_t lanes = float_batch<Arch>::size;

/// Rows that kernels keep contiguous per weight: every register width divides it.
inline constexpr std::size_t panel_rows = 32;

/// Positions that the key cache keeps contiguous; every register width divides it.
inline constexpr std::size_t key_block = 16;

/// x * y + z, fused wherever the instruction set can. One spelling for every kernel, so that the same
/// element is rounded the same way whichever block it is computed in.
template <class Arch>
EARLYOUT_ALWAYS_INLINE float_batch<Arch> multiply_add(const float_batch<Arch>& x, const float_batch<Arch>& y,
                                                      const float_batch<Arch>& z) noexcept {
#if defined(__AVX512F__)
    // xsimd 8.1 spells it as a product and a sum here, which clang does not fuse.
    if constexpr (std::is_base_of_v<xsimd::avx512f, Arch>) return _mm512_fmadd_ps(x, y, z);
#endif
    return xsimd::fma(x, y, z);
}

namespace detail {

/// The upper half of a register's lanes combined with the lower one, and so on until one is left.
template <class Arch, class Op>
EARLYOUT_ALWAYS_INLINE float fold_lanes(const float_batch<Arch>& x, Op op) noexcept {
#if defined(__SSE2__)
    if constexpr (lanes<Arch> == 4) {
        const float_batch<xsimd::sse2> all(x.data), pair = op(all, float_batch<xsimd::sse2>(_mm_movehl_ps(all, all)));
        return _mm_cvtss_f32(op(pair, float_batch<xsimd::sse2>(_mm_shuffle_ps(pair, pair, 1))));
    }
#endif
#if defined(__AVX__)
    if constexpr (lanes<Arch> == 8) {
        const float_batch<xsimd::sse2> lower(_mm256_castps256_ps128(x)), upper(_mm256_extractf128_ps(x, 1));
        return fold_lanes<xsimd::sse2>(op(lower, upper), op);
    }
#endif
#if defined(__AVX512DQ__)
    if constexpr (lanes<Arch> == 16) {
        const float_batch<xsimd::avx> lower(_mm512_castps512_ps256(x)), upper(_mm512_extractf32x8_ps(x, 1));
        return fold_lanes<xsimd::avx>(op(lower, upper), op);
    }
#endif
    alignas(64) float values[lanes<Arch>];
    x.store_aligned(values);
    for (std::size_t half = lanes<Arch> / 2; half != 0; half /= 2) {
        for (std::size_t i = 0; i < half; ++i) values[i] = op(values[i], values[i + half]);
    }
    return values[0];
}

}  // namespace detail

/// Sum of a register's lanes, halves first, in an order that does not depend on xsimd's version.
template <class Arch>
[[nodiscard]] inline float sum_lanes(const float_batch<Arch>& x) noexcept {
    return detail::fold_lanes<Arch>(x, [](const auto& a, const auto& b) { return a + b; });
}

/// Largest of a register's lanes.
template <class Arch>
[[nodiscard]] inline float max_lanes(const float_batch<Arch>& x) noexcept {
    return detail::fold_lanes<Arch>(x, [](const auto& a, const auto& b) {
        if constexpr (std::is_same_v<std::decay_t<decltype(a)>, float>) {
            return a > b ? a : b;
        } else {
            return xsimd::max(a, b);
        }
    });
}

/// The last `count` (< lanes) floats of an array, the other lanes filled with `fill`.
template <class Arch>
[[nodiscard]] inline float_batch<Arch> load_tail(const float* x, std::size_t count, float fill) noexcept {
    alignas(64) float values[lanes<Arch>];
    for (std::size_t i = 0; i < lanes<Arch>; ++i) values[i] = i < count ? x[i] : fill;
    return float_batch<Arch>::load_aligned(values);
}

/// Stores the first `count` (< lanes) lanes.
template <class Arch>
inline void store_tail(const float_batch<Arch>& x, float* out, std::size_t count) noexcept {
    alignas(64) float values[lanes<Arch>];
    x.store_aligned(values);
    for (std::size_t i = 0; i < lanes<Arch> && i < count; ++i) out[i] = values[i];  // the first bound is for GCC
}

/// out[i] = op(x[i]) for i in [0, n), tails included; `out` may be `x`.
template <class Arch, class Op>
inline void transform(const float* x, float* out, std::size_t n, Op op) noexcept {
    constexpr std::size_t w = lanes<Arch>;
    std::size_t i = 0;
    for (; i + w <= n; i += w) op(float_batch<Arch>::load_unaligned(x + i)).store_unaligned(out + i);
    if (i < n) store_tail<Arch>(op(load_tail<Arch>(x + i, n - i, 0.0f)), out + i, n - i);
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
