// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARGMAX_HPP
#define EARLYOUT_KERNELS_ARGMAX_HPP

#include <earlyout/kernels/softmax.hpp>

#include <algorithm>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// The top-2 values and the index of the first maximum.
struct top_two {
    std::size_t index = 0;
    float first = -std::numeric_limits<float>::infinity();
    float second = -std::numeric_limits<float>::infinity();
};

/// Returns the lowest index of `value` in x[0 .. n - 1]; n when absent.
template <class Arch = default_arch>
[[nodiscard]] std::size_t index_of(const float* x, std::size_t n, float value, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    const batch wanted(value);
    std::size_t from = 0;
    while (from + w <= n && !xsimd::any(batch::load_unaligned(x + from) == wanted)) from += w;
    return static_cast<std::size_t>(std::find(x + from, x + n, value) - x);
}

/// Returns the two largest of x[0 .. n - 1], n >= 1; ties go to the lower index, and make both values equal. If there
/// is a NaN, any two values and an index below n.
template <class Arch = default_arch>
[[nodiscard]] top_two find_top_two(const float* x, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    batch first(lowest);
    batch second(lowest);
    const auto take = [&](const batch& v) {
        second = xsimd::max(second, xsimd::min(first, v));
        first = xsimd::max(first, v);
    };
    std::size_t i = 0;
    for (; i + w <= n; i += w) take(batch::load_unaligned(x + i));
    if (i < n) take(load_tail<Arch>(x + i, n - i, lowest));

    alignas(64) float firsts[w];
    alignas(64) float seconds[w];
    first.store_aligned(firsts);
    second.store_aligned(seconds);
    top_two top;
    for (std::size_t j = 0; j < w; ++j) {
        for (const float value : {firsts[j], seconds[j]}) {
            top.second = std::max(top.second, std::min(top.first, value));
            top.first = std::max(top.first, value);
        }
    }
    top.index = std::min(index_of<Arch>(x, n, top.first), n - 1);
    return top;
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
