// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ATTENTION_MERGE_HPP
#define EARLYOUT_KERNELS_ATTENTION_MERGE_HPP

#include <earlyout/kernels/simd.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

/// @file Attention over one part of a cache after another: each part has a softmax of its own, and parts are merged in
/// order (Milakov and Gimelshein, 2018). The values summed so far are not yet divided by the sum of their weights.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// The score of an attention sink that takes no weight.
inline constexpr float no_sink = -std::numeric_limits<float>::infinity();

/// A query's softmax over some entries: the largest score, and the sum of exp(score - most), 0 if it saw none.
struct softmax_state {
    float most = -std::numeric_limits<float>::infinity();
    float sum = 0.0f;
};

namespace detail {

/// x[i] = op(x[i], y[i]), i in [0, n).
/// @param y readable up to the next multiple of 16
template <class Arch, class Op>
EARLYOUT_ALWAYS_INLINE void combine(float* x, const float* y, std::size_t n, Op op) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    std::size_t i = 0;
    for (; i + w <= n; i += w) op(batch::load_unaligned(x + i), batch::load_unaligned(y + i)).store_unaligned(x + i);
    if (i < n) {
        store_tail<Arch>(op(load_tail<Arch>(x + i, n - i, 0.0f), batch::load_unaligned(y + i)), x + i, n - i);
    }
}

/// Returns a b + c as registers compute it: whether compilers fuse the two for single numbers depends on their options,
/// and this is compiled with different ones.
template <class Arch>
EARLYOUT_ALWAYS_INLINE float multiply_add_one(float a, float b, float c) noexcept {
    using batch = float_batch<Arch>;
    return multiply_add<Arch>(batch(a), batch(b), batch(c)).get(0);
}

}  // namespace detail

/// Merges a part into what was gathered before it.
/// @param values [head_dim], summed so far; undefined while state.sum is 0
/// @param sums   [head_dim rounded up to 16], of the part
template <class Arch = default_arch, class HeadDim>
void merge_attention(softmax_state& state, float* values, const softmax_state& part, const float* sums,
                     HeadDim head_dim, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    if (part.sum == 0.0f) return;
    if (state.sum == 0.0f) {
        state = part;
        detail::combine<Arch>(values, sums, head_dim, [](const batch&, const batch& y) { return y; });
    } else if (part.most > state.most) {
        const float factor = std::exp(state.most - part.most);
        state = {part.most, detail::multiply_add_one<Arch>(state.sum, factor, part.sum)};
        detail::combine<Arch>(values, sums, head_dim, [factor](const batch& x, const batch& y) {
            return multiply_add<Arch>(batch(factor), x, y);
        });
    } else {
        const float factor = std::exp(part.most - state.most);
        state.sum = detail::multiply_add_one<Arch>(part.sum, factor, state.sum);
        detail::combine<Arch>(values, sums, head_dim, [factor](const batch& x, const batch& y) {
            return multiply_add<Arch>(batch(factor), y, x);
        });
    }
}

/// Divides by the sum of the weights; zero if no entry was visible.
/// @param values [head_dim]
/// @param sink   a score that takes part in the sum and has no value: an attention sink (gpt-oss); no_sink: none
template <class Arch = default_arch, class HeadDim>
void finish_attention(const softmax_state& state, float* values, HeadDim head_dim, Arch = {},
                      float sink = no_sink) noexcept {
    if (state.sum == 0.0f) {
        std::fill_n(values, std::size_t{head_dim}, 0.0f);
        return;
    }
    float scale = 1.0f / state.sum;
    if (sink > state.most) {
        const float below = std::exp(state.most - sink);
        scale = below / detail::multiply_add_one<Arch>(state.sum, below, 1.0f);
    } else if (sink != no_sink) {
        scale = 1.0f / (state.sum + std::exp(sink - state.most));
    }
    const float_batch<Arch> factor(scale);
    transform<Arch>(values, values, head_dim, [&](const float_batch<Arch>& v) { return v * factor; });
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
