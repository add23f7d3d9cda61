// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ATTENTION_TILE_HPP
#define EARLYOUT_KERNELS_ATTENTION_TILE_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/activations.hpp>
#include <earlyout/kernels/half.hpp>
#include <earlyout/kernels/softmax.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>

/// @file A tile of queries over one tile of a cache's entries: scores, running softmax, weighted sums of values.
/// attention.hpp loops over all queries and entries.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Queries that share each key and each value they read: as many as fit in the registers, each with two sums of a block
/// of keys or of two registers, whichever is more.
template <class Arch>
inline constexpr std::size_t tile_queries =
    std::max<std::size_t>(1, sum_registers<Arch> / (2 * std::max<std::size_t>(2, key_block / lanes<Arch>)));

/// Entries whose scores are kept at once, counted from the cache's first: the keys and values that several tiles of
/// queries read stay in a core's L2 cache.
inline constexpr std::size_t score_stretch = 512;

/// Stride between queries' scores: rows start in different sets of a core's L1 cache.
inline constexpr std::size_t score_stride = score_stretch + key_block;

namespace detail {

/// A query's state for one tile of entries, which are counted from the tile's first.
struct stretch_query {
    const float* query = nullptr;  // [head_dim]
    float* sums = nullptr;         // [2, head_dim rounded up to 16], over the tiles so far
    std::size_t first = 0;
    std::size_t last = 0;
    float cap = 0.0f;  // limits scores; 0: does not
};

/// Softmax so far: the largest score, and the sum of exp(score - most).
struct softmax_state {
    float most;
    float sum;
};

/// Returns how many registers each query of a tile may use for one of its two sums: a power of two, at most `most`.
template <class Arch>
[[nodiscard]] constexpr std::size_t parts_for(std::size_t queries, std::size_t most) noexcept {
    std::size_t parts = 1;
    while (2 * parts <= most && 2 * (2 * parts) * queries <= sum_registers<Arch>) parts *= 2;
    return parts;
}

/// to[q][b] += component k of query q times component k of the keys in block b.
template <class Arch, std::size_t Queries, std::size_t Blocks, std::size_t Parts, element_format Format>
EARLYOUT_ALWAYS_INLINE void add_component(Format format, const typename Format::element* keys, std::size_t head_dim,
                                          const float* const (&query)[Queries], std::size_t k,
                                          float_batch<Arch> (&to)[Queries][Blocks][Parts]) noexcept {
    float_batch<Arch> column[Blocks][Parts];
    EARLYOUT_UNROLL(16)
    for (std::size_t b = 0; b < Blocks; ++b) {
        load_contiguous<Arch>(format, keys + (b * head_dim + k) * key_block, column[b]);
    }
    EARLYOUT_UNROLL(16)
    for (std::size_t q = 0; q < Queries; ++q) {
        const float_batch<Arch> value(query[q][k]);
        EARLYOUT_UNROLL(16)
        for (std::size_t b = 0; b < Blocks; ++b) {
            EARLYOUT_UNROLL(16)
            for (std::size_t p = 0; p < Parts; ++p) {
                to[q][b][p] = multiply_add<Arch>(value, column[b][p], to[q][b][p]);
            }
        }
    }
}

/// Computes scores[q * score_stride + i] = scale * (query_q . key_i) for the entries of whole key blocks that cover
/// [first, last). A sum over k is two sums over every second k, which halves the dependency chain; the same two
/// whatever the other queries are.
/// @param queries [Queries]
/// @param keys    one head's keys in f32, bf16 or f16: entry i, component k at keys[(i / 16 * head_dim + k) * 16 + i %
/// 16]
template <class Arch, std::size_t Queries, element_format Format, class HeadDim>
inline void attention_scores(Format format, const stretch_query* queries, const typename Format::element* keys,
                             HeadDim head_dim, float scale, std::size_t first, std::size_t last,
                             float* scores) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    constexpr std::size_t parts = key_block / w;
    constexpr std::size_t sums = 2;
    const std::size_t size = head_dim;
    const float* query[Queries];
    for (std::size_t q = 0; q < Queries; ++q) query[q] = queries[q].query;

    const auto score_blocks = [&]<std::size_t Blocks>(std::size_t block, extent<Blocks>) {
        const typename Format::element* key = keys + block * size * key_block;
        batch sum[sums][Queries][Blocks][parts];  // in registers only if its loops are unrolled, see multiply_tile
        EARLYOUT_UNROLL(16)
        for (auto& half : sum) {
            EARLYOUT_UNROLL(16)
            for (auto& row : half) {
                EARLYOUT_UNROLL(16)
                for (auto& block_sum : row) {
                    EARLYOUT_UNROLL(16)
                    for (auto& part : block_sum) part = batch(0.0f);
                }
            }
        }
        for (std::size_t k = 0; k + 1 < size; k += 2) {
            detail::add_component<Arch>(format, key, size, query, k, sum[0]);
            detail::add_component<Arch>(format, key, size, query, k + 1, sum[1]);
        }
        if (size % 2 != 0) detail::add_component<Arch>(format, key, size, query, size - 1, sum[0]);
        EARLYOUT_UNROLL(16)
        for (std::size_t q = 0; q < Queries; ++q) {
            EARLYOUT_UNROLL(16)
            for (std::size_t b = 0; b < Blocks; ++b) {
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < parts; ++p) {
                    const batch all = (sum[0][q][b][p] + sum[1][q][b][p]) * batch(scale);
                    all.store_unaligned(scores + q * score_stride + (block + b) * key_block + p * w);
                }
            }
        }
    };
    constexpr std::size_t wide = std::max<std::size_t>(1, detail::parts_for<Arch>(Queries, 2 * parts) / parts);
    std::size_t block = first / key_block;
    const std::size_t end = round_up(last, key_block) / key_block;
    for (; block + wide <= end; block += wide) score_blocks(block, extent<wide>{});
    if constexpr (wide > 1) {
        for (; block < end; ++block) score_blocks(block, extent<1>{});
    }
}

/// Computes sums_q += weights[q * score_stride + i] * values_i for i in [first_q, last_q), even and odd i separately;
/// [first, last) covers the entries visible to any query. Entries that a query does not see are skipped, not multiplied
/// by zero: they may hold anything.
/// @param queries [Queries]
/// @param values  one head's values in f32, bf16 or f16: entry i at values + i * stride; rows are padded to 16
template <class Arch, std::size_t Queries, element_format Format, class HeadDim>
inline void add_weighted(Format format, const stretch_query* queries, const float* weights,
                         const typename Format::element* values, std::size_t stride, HeadDim head_dim,
                         std::size_t first, std::size_t last) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    constexpr std::size_t sums = 2;
    const std::size_t width = round_up(head_dim, key_block);
    std::size_t all_first = first, all_last = last;  // visible to all of them
    for (std::size_t q = 0; q < Queries; ++q) {
        all_first = std::max(all_first, queries[q].first);
        all_last = std::min(all_last, queries[q].last);
    }
    const std::size_t pair_end = round_up(last, 2) / 2;
    const std::size_t common = std::min(round_up(all_first, 2) / 2, pair_end);
    const std::size_t common_end = std::max(common, all_last / 2);

    const auto sum_columns = [&]<std::size_t Parts>(std::size_t column, extent<Parts>) {
        batch sum[sums][Queries][Parts];
        EARLYOUT_UNROLL(16)
        for (std::size_t s = 0; s < sums; ++s) {
            EARLYOUT_UNROLL(16)
            for (std::size_t q = 0; q < Queries; ++q) {
                const float* const from = queries[q].sums + s * width + column;
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < Parts; ++p) sum[s][q][p] = batch::load_unaligned(from + p * w);
            }
        }
        const typename Format::element* const value = values + column;
        const auto add_where_seen = [&](std::size_t from, std::size_t to) {
            for (std::size_t pair = from; pair < to; ++pair) {
                EARLYOUT_UNROLL(16)
                for (std::size_t s = 0; s < sums; ++s) {
                    const std::size_t i = sums * pair + s;
                    EARLYOUT_UNROLL(16)
                    for (std::size_t q = 0; q < Queries; ++q) {
                        if (i < queries[q].first || i >= queries[q].last) continue;
                        const batch weight(weights[q * score_stride + i]);
                        batch row[Parts];
                        load_contiguous<Arch>(format, value + i * stride, row);
                        EARLYOUT_UNROLL(16)
                        for (std::size_t p = 0; p < Parts; ++p) {
                            sum[s][q][p] = multiply_add<Arch>(weight, row[p], sum[s][q][p]);
                        }
                    }
                }
            }
        };
        add_where_seen(first / sums, common);
        for (std::size_t pair = common; pair < common_end; ++pair) {
            EARLYOUT_UNROLL(16)
            for (std::size_t s = 0; s < sums; ++s) {
                const std::size_t i = sums * pair + s;
                batch row[Parts];
                load_contiguous<Arch>(format, value + i * stride, row);
                EARLYOUT_UNROLL(16)
                for (std::size_t q = 0; q < Queries; ++q) {
                    const batch weight(weights[q * score_stride + i]);
                    EARLYOUT_UNROLL(16)
                    for (std::size_t p = 0; p < Parts; ++p) {
                        sum[s][q][p] = multiply_add<Arch>(weight, row[p], sum[s][q][p]);
                    }
                }
            }
        }
        add_where_seen(common_end, pair_end);
        EARLYOUT_UNROLL(16)
        for (std::size_t s = 0; s < sums; ++s) {
            EARLYOUT_UNROLL(16)
            for (std::size_t q = 0; q < Queries; ++q) {
                float* const to = queries[q].sums + s * width + column;
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < Parts; ++p) sum[s][q][p].store_unaligned(to + p * w);
            }
        }
    };
    // The widest columns first, then halves of them for the rest of a head.
    constexpr std::size_t narrow = key_block / w;
    constexpr std::size_t wide = std::max(narrow, detail::parts_for<Arch>(Queries, 4));
    std::size_t column = 0;
    const auto sum_as_wide = [&]<std::size_t Parts>(extent<Parts> parts) {
        if constexpr (Parts >= narrow) {
            for (; column + Parts * w <= width; column += Parts * w) sum_columns(column, parts);
        }
    };
    sum_as_wide(extent<wide>{});
    sum_as_wide(extent<wide / 2>{});
    sum_as_wide(extent<wide / 4>{});
}

/// Processes a tile of queries over one tile of entries, some of which are visible in [first, last).
/// @param queries, states [Queries]
template <class Arch, std::size_t Queries, element_format Format, class HeadDim>
void attend_stretch(Format format, const stretch_query* queries, softmax_state* states,
                    const typename Format::element* keys, const typename Format::element* values, std::size_t stride,
                    HeadDim head_dim, float scale, std::size_t first, std::size_t last, float* scores) noexcept {
    attention_scores<Arch, Queries>(format, queries, keys, head_dim, scale, first, last, scores);
    for (std::size_t q = 0; q < Queries; ++q) {
        const std::size_t count = queries[q].last - queries[q].first;
        if (count == 0) continue;
        softmax_state& state = states[q];
        float* const seen = scores + q * score_stride + queries[q].first;
        if (queries[q].cap != 0.0f) soft_cap<Arch>(seen, count, queries[q].cap);
        const float most = std::max(state.most, max_value<Arch>(seen, count));
        if (most > state.most && state.sum != 0.0f) {
            const float factor = std::exp(state.most - most);
            const std::size_t size = 2 * round_up(head_dim, key_block);
            transform<Arch>(queries[q].sums, queries[q].sums, size,
                            [factor](const float_batch<Arch>& v) { return v * float_batch<Arch>(factor); });
            state.sum *= factor;
        }
        state.sum += exp_and_sum<Arch>(seen, count, most);
        state.most = most;
    }
    add_weighted<Arch, Queries>(format, queries, scores, values, stride, head_dim, first, last);
}

}  // namespace detail

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
