// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ATTENTION_HPP
#define EARLYOUT_KERNELS_ATTENTION_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/attention_codes.hpp>
#include <earlyout/kernels/attention_merge.hpp>
#include <earlyout/kernels/attention_stretch.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Max queries per call of attend().
template <class Arch>
inline constexpr std::size_t max_queries = 8 * tile_queries<Arch>;

/// Returns the floats of scratch that attend() and attend_stretch() need, whatever the length of the cache.
template <class Arch = default_arch>
[[nodiscard]] constexpr std::size_t attention_scratch(std::size_t head_dim) noexcept {
    return shared_queries<Arch> * (score_stride + 3 * value_width(head_dim));
}

/// Attends queries to the keys and values of one head: out = softmax(scale * q Kᵀ) V over the entries visible to each;
/// zero if none are visible. Stretches of the cache are merged in order, so a query's result depends neither on the
/// other queries nor on who computes which stretch.
/// @param queries at most max_queries, ideally ordered by the entries they see
/// @param keys    one head's keys, see kv_layout
/// @param values  its values
/// @param scratch [attention_scratch(head_dim)]
template <class Arch = default_arch, cached_format Format, class HeadDim>
void attend(Format format, std::span<const head_query> queries, const typename kv_layout<Format>::element* keys,
            const typename kv_layout<Format>::element* values, HeadDim head_dim, float scale, float* scratch,
            Arch arch = {}) noexcept {
    const std::size_t width = value_width(head_dim);
    float* const sums = scratch + shared_queries<Arch> * (score_stride + 2 * width);
    softmax_state states[max_queries<Arch>];
    std::size_t first = static_cast<std::size_t>(-1), last = 0;
    for (const head_query& q : queries) {
        first = std::min(first, q.first);
        last = std::max(last, q.last);
    }
    for (std::size_t stretch = first / score_stretch; stretch * score_stretch < last; ++stretch) {
        for (std::size_t at = 0; at < queries.size(); at += shared_queries<Arch>) {
            const auto together = queries.subspan(at, std::min(shared_queries<Arch>, queries.size() - at));
            softmax_state parts[shared_queries<Arch>];
            attend_stretch(format, together, stretch, keys, values, head_dim, scale, parts, sums, scratch, arch);
            for (std::size_t q = 0; q < together.size(); ++q) {
                merge_attention(states[at + q], together[q].out, parts[q], sums + q * width, head_dim, arch);
            }
        }
    }
    for (std::size_t q = 0; q < queries.size(); ++q) finish_attention(states[q], queries[q].out, head_dim, arch);
}

#define EARLYOUT_DETAIL_ATTEND(Format)                                                                               \
    EARLYOUT_DETAIL_KERNEL(void attend_stretch(                                                                      \
        Format, std::span<const head_query>, std::size_t, const kv_layout<Format>::element*,                         \
        const kv_layout<Format>::element*, extent<>, float, softmax_state*, float*, float*, default_arch) noexcept); \
    EARLYOUT_DETAIL_KERNEL(void attend(Format, std::span<const head_query>, const kv_layout<Format>::element*,       \
                                       const kv_layout<Format>::element*, extent<>, float, float*,                   \
                                       default_arch) noexcept)
EARLYOUT_DETAIL_ATTEND(f32);
EARLYOUT_DETAIL_ATTEND(bf16);
EARLYOUT_DETAIL_ATTEND(f16);
EARLYOUT_DETAIL_ATTEND(int8);
#undef EARLYOUT_DETAIL_ATTEND

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
