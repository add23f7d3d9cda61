// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ATTENTION_STRETCH_HPP
#define EARLYOUT_KERNELS_ATTENTION_STRETCH_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/activations.hpp>
#include <earlyout/kernels/attention_merge.hpp>
#include <earlyout/kernels/attention_tile.hpp>
#include <earlyout/kernels/kv_layout.hpp>
#include <earlyout/kernels/softmax.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

/// @file Several queries over one stretch of a cache: each key and each value is read from memory once.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// One query of one head, which sees the entries [first, last) of a cache.
struct head_query {
    const float* query = nullptr;  ///< [head_dim]
    float* out = nullptr;          ///< [head_dim]
    std::size_t first = 0;
    std::size_t last = 0;
    float cap = 0.0f;      ///< limits scores, see soft_cap; 0: does not
    float sink = no_sink;  ///< see finish_attention
};

/// One head's keys and values in a stretch of a cache, in the layout of kv_layout.
template <class Element>
struct stretch_memory {
    const Element* keys = nullptr;
    const Element* values = nullptr;
    const Element* next = nullptr;  ///< the next stretch's keys, to be prefetched; need not be valid
};

/// Max queries of a stretch at a time: at least 8, in whole tiles.
template <class Arch>
inline constexpr std::size_t shared_queries = round_up(8, tile_queries<Arch>);

namespace detail {

/// Sets what each query sees of a stretch.
/// @param here [queries]
/// @return the entries visible to any of them, counted from the stretch's first
inline stretch_query clip_to_stretch(std::span<const head_query> queries, std::size_t stretch,
                                     stretch_query* here) noexcept {
    const std::size_t from = stretch * score_stretch;
    stretch_query all{.first = score_stretch, .last = 0};
    for (std::size_t q = 0; q < queries.size(); ++q) {
        here[q].query = queries[q].query;
        here[q].first = here[q].last = 0;
        const std::size_t first = std::max(queries[q].first, from);
        const std::size_t last = std::min(queries[q].last, from + score_stretch);
        if (first >= last) continue;
        here[q].first = first - from;
        here[q].last = last - from;
        all.first = std::min(all.first, here[q].first);
        all.last = std::max(all.last, here[q].last);
    }
    return all;
}

/// What tiles of queries read of a stretch, run by run: runs stay in a core's caches while further tiles read them, and
/// memory meanwhile brings the next one. Queries that fit one tile, and caches of one stretch, have one run.
class entry_runs {
public:
    entry_runs(std::span<const head_query> queries, const stretch_query& seen, std::size_t tile) noexcept
        : queries_(queries.size()), seen_(seen) {
        for (const head_query& q : queries) several_ |= q.last > score_stretch;
        several_ &= queries.size() > tile;
    }

    /// Calls body(first, last, ahead) for each run; ahead(at, size) is what the tile of queries [at, at + size) shall
    /// prefetch.
    /// @param entry_bytes of a key or value
    /// @param begin       the stretch's keys or values
    /// @param next        the address of what is read after them, which need not be valid
    template <class Body>
    void for_each(std::size_t entry_bytes, std::uintptr_t begin, std::uintptr_t next, Body body) const {
        const std::size_t run =
            several_ ? std::clamp((std::size_t{1} << 15) >> std::bit_width(entry_bytes), key_block * 2, score_stretch)
                     : score_stretch;
        for (std::size_t at = seen_.first / run * run; at < seen_.last; at += run) {
            const bool is_last = at + run >= seen_.last;
            const std::uintptr_t from = is_last ? next : begin + (at + run) * entry_bytes;
            const std::size_t bytes = several_ ? run * entry_bytes : 0;
            body(std::max(at, seen_.first), std::min(at + run, seen_.last), [&](std::size_t tile, std::size_t size) {
                return prefetch_range{from + bytes * tile / queries_, from + bytes * (tile + size) / queries_};
            });
        }
    }

private:
    std::size_t queries_;
    stretch_query seen_;
    bool several_ = false;
};

/// Calls body(at, extent<size>) for tiles of queries: whole tiles, pairs and single queries. Every further size adds
/// some tenth of a second to the compile time.
template <std::size_t Most, class Body>
inline void for_each_tile(std::size_t queries, Body body) {
    std::size_t at = 0;
    for (; at + Most <= queries; at += Most) body(at, extent<Most>{});
    if constexpr (Most > 2) {
        for (; at + 2 <= queries; at += 2) body(at, extent<2>{});
    }
    if constexpr (Most > 1) {
        for (; at < queries; ++at) body(at, extent<1>{});
    }
}

}  // namespace detail

/// Attends queries to the entries [stretch * score_stretch, ...) of one head, as far as each sees them: to be merged by
/// merge_attention. A query's result does not depend on the other queries.
/// @param queries at most shared_queries
/// @param at      their memory, in f32, bf16 or f16
/// @param states  [queries]
/// @param sums    [queries, value_width(head_dim)]
/// @param scratch [attention_scratch(head_dim)]
template <class Arch = default_arch, element_format Format, class HeadDim>
void attend_stretch(Format format, std::span<const head_query> queries, std::size_t stretch,
                    const stretch_memory<typename Format::element>& at, HeadDim head_dim, float scale,
                    softmax_state* states, float* sums, float* scratch, Arch = {}) noexcept {
    using element = typename Format::element;
    const std::size_t width = value_width(head_dim);
    detail::stretch_query here[shared_queries<Arch>];
    const detail::stretch_query seen = detail::clip_to_stretch(queries, stretch, here);
    std::fill_n(states, queries.size(), softmax_state{});
    if (seen.first >= seen.last) return;
    float* const scores = scratch;
    float* const halves = scratch + shared_queries<Arch> * score_stride;
    std::fill_n(halves, queries.size() * 2 * width, 0.0f);
    for (std::size_t q = 0; q < queries.size(); ++q) here[q].sums = halves + q * 2 * width;

    const detail::entry_runs runs(queries, seen, tile_queries<Arch>);
    const auto for_each_tile = [&](const auto& body) {
        detail::for_each_tile<tile_queries<Arch>>(queries.size(), body);
    };
    const auto score = [&](std::size_t first, std::size_t last, const auto& ahead) {
        for_each_tile([&]<std::size_t Size>(std::size_t q, extent<Size>) {
            detail::attention_scores<Arch, Size>(format, here + q, at.keys, head_dim, scale, first, last,
                                                 scores + q * score_stride, ahead(q, Size));
        });
    };
    const auto address = [](const element* of) { return reinterpret_cast<std::uintptr_t>(of); };
    const std::uintptr_t values_at = address(at.values);
    const std::size_t key_bytes = head_dim * sizeof(element), value_bytes = width * sizeof(element);
    runs.for_each(key_bytes, address(at.keys), values_at + seen.first * value_bytes, score);
    for (std::size_t q = 0; q < queries.size(); ++q) {
        const std::size_t count = here[q].last - here[q].first;
        if (count == 0) continue;
        float* const visible = scores + q * score_stride + here[q].first;
        if (queries[q].cap != 0.0f) soft_cap<Arch>(visible, count, queries[q].cap);
        states[q].most = max_value<Arch>(visible, count);
        states[q].sum = exp_and_sum<Arch>(visible, count, states[q].most);
    }
    const auto sum = [&](std::size_t first, std::size_t last, const auto& ahead) {
        for_each_tile([&]<std::size_t Size>(std::size_t q, extent<Size>) {
            detail::add_weighted<Arch, Size>(format, here + q, scores + q * score_stride, at.values, width, head_dim,
                                             first, last, ahead(q, Size));
        });
    };
    runs.for_each(value_bytes, values_at, address(at.next), sum);
    for (std::size_t q = 0; q < queries.size(); ++q) {
        const float* const half = here[q].sums;
        for (std::size_t k = 0; k < width; k += lanes<Arch>) {
            using batch = float_batch<Arch>;
            (batch::load_unaligned(half + k) + batch::load_unaligned(half + width + k))
                .store_unaligned(sums + q * width + k);
        }
    }
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
