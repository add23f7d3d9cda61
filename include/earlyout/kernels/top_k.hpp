// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_TOP_K_HPP
#define EARLYOUT_KERNELS_TOP_K_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/kernels/softmax.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Finds the indices of the k largest of x[0 .. n - 1], in increasing order; ties go to the lower indices. Reads x once
/// and keeps the best so far, so that most values are only compared with the k-th best. NaN ranks below everything.
/// @param k    1 .. n
/// @param room [2 k], the result in its first k
template <class Arch = default_arch>
void find_top_k(const float* x, std::size_t n, std::size_t k, std::span<token_id> room, Arch = {}) noexcept {
    constexpr std::size_t stretch = 64;
    const auto value = [x](token_id i) {
        const float v = x[static_cast<std::size_t>(i)];
        return v == v ? v : -std::numeric_limits<float>::infinity();  // NaN is unordered
    };
    const auto before = [value](token_id a, token_id b) { return value(a) != value(b) ? value(a) > value(b) : a < b; };
    std::size_t held = 0;
    float least = -std::numeric_limits<float>::infinity();  // of the k held; a later equal value does not replace it
    const auto keep_best = [&] {
        const auto kth = room.begin() + static_cast<std::ptrdiff_t>(k - 1);
        std::nth_element(room.begin(), kth, room.begin() + static_cast<std::ptrdiff_t>(held), before);
        least = value(*kth);
        held = k;
    };
    for (std::size_t from = 0; from < n; from += stretch) {
        const std::size_t to = std::min(n, from + stretch);
        if (held >= k && !(max_value<Arch>(x + from, to - from) > least)) continue;
        for (std::size_t i = from; i < to; ++i) {
            if (held >= k && !(x[i] > least)) continue;
            room[held++] = static_cast<token_id>(i);
            if (held == room.size()) keep_best();
        }
    }
    if (held > k) keep_best();
    std::sort(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(k));
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
