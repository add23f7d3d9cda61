// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_SIMD_HPP
#define EARLYOUT_KERNELS_SIMD_HPP

#include <earlyout/kernels/arch/all.hpp>

#include <cstddef>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Rows that kernels store contiguously per weight: every register width divides it.
inline constexpr std::size_t panel_rows = 32;

/// Positions that the key cache stores contiguously; every register width divides it.
inline constexpr std::size_t key_block = 16;

/// Returns x * y + z, fused wherever the instruction set supports it. Shared by all kernels, so that an element is
/// rounded the same way whichever block it is computed in.
template <class Arch>
EARLYOUT_ALWAYS_INLINE float_batch<Arch> multiply_add(const float_batch<Arch>& x, const float_batch<Arch>& y,
                                                      const float_batch<Arch>& z) noexcept {
    return arch::multiply_add(x, y, z, arch::best<Arch>{});
}

/// Returns the sum of a register's lanes, halves first, in an order that does not depend on xsimd's version.
template <class Arch>
[[nodiscard]] inline float sum_lanes(const float_batch<Arch>& x) noexcept {
    return arch::fold_lanes(
        x, [](const auto& a, const auto& b) { return a + b; }, arch::best<Arch>{});
}

/// Returns the largest of a register's lanes.
template <class Arch>
[[nodiscard]] inline float max_lanes(const float_batch<Arch>& x) noexcept {
    const auto larger = [](const auto& a, const auto& b) {
        if constexpr (std::is_same_v<std::decay_t<decltype(a)>, float>) {
            return a > b ? a : b;
        } else {
            return xsimd::max(a, b);
        }
    };
    return arch::fold_lanes(x, larger, arch::best<Arch>{});
}

/// Loads the last `count` (< lanes) floats of an array, the other lanes filled with `fill`.
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

/// Computes out[i] = op(x[i]) for i in [0, n), tails included; `out` may be `x`.
template <class Arch, class Op>
inline void transform(const float* x, float* out, std::size_t n, Op op) noexcept {
    constexpr std::size_t w = lanes<Arch>;
    std::size_t i = 0;
    for (; i + w <= n; i += w) op(float_batch<Arch>::load_unaligned(x + i)).store_unaligned(out + i);
    if (i < n) store_tail<Arch>(op(load_tail<Arch>(x + i, n - i, 0.0f)), out + i, n - i);
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
