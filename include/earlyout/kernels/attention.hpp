// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ATTENTION_HPP
#define EARLYOUT_KERNELS_ATTENTION_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/attention_tile.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// One query of one head, which sees the entries [first, last) of a cache.
struct head_query {
    const float* query = nullptr;  ///< [head_dim]
    float* out = nullptr;          ///< [head_dim]
    std::size_t first = 0;
    std::size_t last = 0;
    float cap = 0.0f;  ///< limits scores, see soft_cap; 0: does not
};

/// Max queries per call of attend().
template <class Arch>
inline constexpr std::size_t max_queries = 8 * tile_queries<Arch>;

/// Returns the floats of scratch that attend() needs, whatever the length of the cache.
template <class Arch = default_arch>
[[nodiscard]] constexpr std::size_t attention_scratch(std::size_t head_dim) noexcept {
    return tile_queries<Arch> * score_stride + max_queries<Arch> * 2 * round_up(head_dim, key_block);
}

/// Attends queries to the keys and values of one head: out = softmax(scale * q Kᵀ) V over the entries visible to each;
/// zero if none are visible. Tiles of queries read each key and each value once. The softmax is computed one tile of
/// entries after another and rescaled when a larger score appears (Milakov and Gimelshein, 2018). A query's result does
/// not depend on the other queries.
/// @param queries at most max_queries, ideally ordered by the entries they see
/// @param keys    one head's keys in f32, bf16 or f16, see attention_scores
/// @param values  its values, see add_weighted
/// @param scratch [attention_scratch(head_dim)]
template <class Arch = default_arch, element_format Format, class HeadDim>
void attend(Format format, std::span<const head_query> queries, const typename Format::element* keys,
            const typename Format::element* values, std::size_t value_stride, HeadDim head_dim, float scale,
            float* scratch, Arch = {}) noexcept {
    constexpr std::size_t most = tile_queries<Arch>;
    using batch = float_batch<Arch>;
    using element = typename Format::element;
    using tile = void (*)(Format, const detail::stretch_query*, detail::softmax_state*, const element*, const element*,
                          std::size_t, HeadDim, float, std::size_t, std::size_t, float*) noexcept;
    // Whole tiles, pairs and single queries: every further size adds some tenth of a second to the compile time.
    constexpr std::size_t pair = std::min<std::size_t>(2, most);
    static constexpr std::array<tile, 3> tiles{&detail::attend_stretch<Arch, 1, Format, HeadDim>,
                                               &detail::attend_stretch<Arch, pair, Format, HeadDim>,
                                               &detail::attend_stretch<Arch, most, Format, HeadDim>};

    const std::size_t size = head_dim, width = round_up(size, key_block);
    float* const sums = scratch + most * score_stride;
    std::fill_n(sums, queries.size() * 2 * width, 0.0f);
    detail::softmax_state states[max_queries<Arch>];
    std::fill_n(states, queries.size(), detail::softmax_state{-std::numeric_limits<float>::infinity(), 0.0f});
    std::size_t first = static_cast<std::size_t>(-1), last = 0;
    for (const head_query& q : queries) {
        first = std::min(first, q.first);
        last = std::max(last, q.last);
    }
    for (std::size_t from = first / score_stretch * score_stretch; from < last; from += score_stretch) {
        for (std::size_t at = 0; at < queries.size();) {
            const std::size_t left = queries.size() - at;
            const std::size_t size_of_tile = left >= most ? 2 : left >= pair ? 1 : 0;
            const std::size_t count = std::array{std::size_t{1}, pair, most}[size_of_tile];
            detail::stretch_query here[most];
            std::size_t begin = score_stretch, end = 0;
            for (std::size_t q = 0; q < count; ++q) {
                const head_query& whole = queries[at + q];
                here[q] = {.query = whole.query, .sums = sums + (at + q) * 2 * width, .cap = whole.cap};
                const std::size_t seen_first = std::max(whole.first, from);
                const std::size_t seen_last = std::min(whole.last, from + score_stretch);
                if (seen_first >= seen_last) continue;
                here[q].first = seen_first - from;
                here[q].last = seen_last - from;
                begin = std::min(begin, here[q].first);
                end = std::max(end, here[q].last);
            }
            if (begin < end) {
                tiles[size_of_tile](format, here, states + at, keys + from * size, values + from * value_stride,
                                    value_stride, head_dim, scale, begin, end, scratch);
            }
            at += count;
        }
    }
    for (std::size_t q = 0; q < queries.size(); ++q) {
        const float* const sum = sums + q * 2 * width;
        const batch factor(states[q].sum > 0.0f ? 1.0f / states[q].sum : 0.0f);
        for (std::size_t k = 0; k < size; k += lanes<Arch>) {
            const batch all = (batch::load_unaligned(sum + k) + batch::load_unaligned(sum + width + k)) * factor;
            if (k + lanes<Arch> <= size) {
                all.store_unaligned(queries[q].out + k);
            } else {
                store_tail<Arch>(all, queries[q].out + k, size - k);
            }
        }
    }
}

#define EARLYOUT_DETAIL_ATTEND(Format)                                                               \
    EARLYOUT_DETAIL_KERNEL(void attend(Format, std::span<const head_query>, const Format::element*,  \
                                       const Format::element*, std::size_t, extent<>, float, float*, \
                                       default_arch) noexcept)
EARLYOUT_DETAIL_ATTEND(f32);
EARLYOUT_DETAIL_ATTEND(bf16);
EARLYOUT_DETAIL_ATTEND(f16);
#undef EARLYOUT_DETAIL_ATTEND

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
