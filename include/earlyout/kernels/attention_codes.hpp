// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ATTENTION_CODES_HPP
#define EARLYOUT_KERNELS_ATTENTION_CODES_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/activations.hpp>
#include <earlyout/kernels/attention_merge.hpp>
#include <earlyout/kernels/attention_stretch.hpp>
#include <earlyout/kernels/attention_tile.hpp>
#include <earlyout/kernels/byte_dot.hpp>
#include <earlyout/kernels/kv_layout.hpp>
#include <earlyout/kernels/softmax.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

/// @file Attention over keys and values in int8, computed from the codes: queries, and the weights of values, are
/// rounded to 16 bits, and sums of a stretch are exact integers.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

namespace detail {

/// Queries that share each code they load.
template <class Arch>
inline constexpr std::size_t code_queries = 4;

/// Registers of sums of each query.
template <class Arch>
inline constexpr std::size_t code_parts = std::min<std::size_t>(2, key_block / lanes<Arch>);

/// Largest magnitude of a weight's code: the sum over a stretch fits 32 bits.
inline constexpr float max_weight_code = 32767.0f;
static_assert(127.0 * 32767.0 * score_stretch < 2147483648.0);

/// Returns the 16-bit words of x and y, x in the lower half: nearest integers, for magnitudes below 2^15.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> pair_words(const float_batch<Arch>& x, const float_batch<Arch>& y) noexcept {
    using ints = int_batch<Arch>;
    const float_batch<Arch> magic(0x1.8p23f);  // in whose last bits a sum has the integer
    const ints low = std::bit_cast<ints>(x + magic) & ints(0xffff);
    return low | (std::bit_cast<ints>(y + magic) << 16);
}

/// Rounds a query to 16 bits.
/// @param words [half, shared_queries], the query's column: bits of 16-bit pairs of components k and k + half
/// @return its scale; NaN if a component is not finite
template <class Arch>
float encode_query(const float* query, std::size_t head_dim, float* words) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    const std::size_t half = kv_layout<int8>::half(head_dim);
    const auto load = [](const float* x, std::size_t n) {
        return n >= w ? batch::load_unaligned(x) : load_tail<Arch>(x, n, 0.0f);
    };
    batch most(0.0f), zero(0.0f);
    for (std::size_t k = 0; k < head_dim; k += w) {
        const batch x = load(query + k, head_dim - k);
        most = xsimd::max(most, xsimd::abs(x));
        zero = multiply_add<Arch>(x, batch(0.0f), zero);
    }
    const float largest = max_lanes<Arch>(most);
    // Sums over all components fit 32 bits.
    const float limit = std::min(32767.0f, 2147483647.0f / 128.0f / static_cast<float>(2 * half));
    const batch inverse(largest < 0x1p-100f ? 0.0f : limit / largest);
    for (std::size_t k = 0; k < half; k += w) {
        const std::size_t upper = half + k;
        const batch x = load(query + k, half - k);
        const batch y = upper < head_dim ? load(query + upper, head_dim - upper) : batch(0.0f);
        alignas(64) float pairs[w];
        std::bit_cast<batch>(pair_words<Arch>(x * inverse, y * inverse)).store_aligned(pairs);
        for (std::size_t i = 0; i < w && k + i < half; ++i) words[(k + i) * shared_queries<Arch>] = pairs[i];
    }
    return (largest < 0x1p-100f ? 0.0f : largest / limit) + sum_lanes<Arch>(zero);
}

/// A pair of codes of one query in every lane.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> broadcast_pair(const float* word) noexcept {
    return int_batch<Arch>(std::bit_cast<std::int32_t>(*word));
}

/// Computes scores[q * score_stride + i] = factors[q] * (query_q . key_i) for the entries of whole key blocks that
/// cover [first, last).
/// @param words   [half, shared_queries], the queries' columns, see encode_query
/// @param factors [Queries]
/// @param keys    of the stretch, see kv_layout<int8>
template <class Arch, std::size_t Queries>
void score_codes(const float* words, const float* factors, const std::int8_t* keys, std::size_t head_dim,
                 std::size_t first, std::size_t last, float* scores, prefetch_range ahead) noexcept {
    using batch = float_batch<Arch>;
    using ints = int_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>, parts = code_parts<Arch>;
    const std::size_t half = kv_layout<int8>::half(head_dim), bytes = kv_layout<int8>::key_block_bytes(head_dim);
    const std::size_t end = round_up(last, key_block);
    const std::size_t ahead_bytes = ahead.part((end - first) / key_block + 1);
    for (std::size_t entry = first / key_block * key_block; entry < end; entry += key_block) {
        const std::int8_t* const block = keys + entry / key_block * bytes;
        ahead.next(ahead_bytes);
        for (std::size_t lane = 0; lane < key_block; lane += parts * w) {
            ints sum[Queries][parts];
            EARLYOUT_UNROLL(16)
            for (auto& row : sum) {
                EARLYOUT_UNROLL(16)
                for (auto& part : row) part = ints(platform::in_register(ints(0).data));
            }
            for (std::size_t k = 0; k < half; ++k) {
                split_words<Arch> column[parts];
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < parts; ++p) {
                    column[p] = split_pairs<Arch>(load_byte_pairs<Arch>(block + 2 * (k * key_block + lane + p * w)));
                }
                EARLYOUT_UNROLL(16)
                for (std::size_t q = 0; q < Queries; ++q) {
                    const ints pair = broadcast_pair<Arch>(words + k * shared_queries<Arch> + q);
                    EARLYOUT_UNROLL(16)
                    for (std::size_t p = 0; p < parts; ++p) sum[q][p] = pair_dot<Arch>(column[p], pair, sum[q][p]);
                }
            }
            const auto* const scales = reinterpret_cast<const float*>(block + 2 * half * key_block) + lane;
            EARLYOUT_UNROLL(16)
            for (std::size_t q = 0; q < Queries; ++q) {
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < parts; ++p) {
                    const batch scaled = xsimd::to_float(sum[q][p]) * batch::load_unaligned(scales + p * w);
                    (scaled * batch(factors[q])).store_unaligned(scores + q * score_stride + entry + lane + p * w);
                }
            }
        }
    }
}

/// Turns weights into 16-bit codes of weight * scale of the value, pairs of entries i and i + 16 of a block in a word:
/// the bits of entry i's word are at weights[i / 32 * 16 + i % 16]. Entries outside [first, last), which may hold
/// anything, become zero.
/// @param weights in place, of the whole value blocks that cover [begin, end)
/// @param values  of the stretch, see kv_layout<int8>
/// @return the codes' scale; NaN if a weight or a scale is
template <class Arch>
float encode_weights(float* weights, std::size_t first, std::size_t last, std::size_t begin, std::size_t end,
                     const std::int8_t* values, std::size_t head_dim) noexcept {
    using batch = float_batch<Arch>;
    using layout = kv_layout<int8>;
    constexpr std::size_t w = lanes<Arch>, block = layout::value_block;
    begin = begin / block * block;
    end = round_up(end, block);
    if (first == last) first = last = begin;
    for (std::size_t i = first / block * block; i < last; i += block) {
        const auto* const scales = reinterpret_cast<const float*>(
            values + i / block * layout::value_block_bytes(head_dim) + block * value_width(head_dim));
        for (std::size_t j = 0; j < block; j += w) {
            (batch::load_unaligned(weights + i + j) * batch::load_unaligned(scales + j))
                .store_unaligned(weights + i + j);
        }
    }
    std::fill(weights + begin, weights + first, 0.0f);
    std::fill(weights + last, weights + end, 0.0f);
    batch most(0.0f), zero(0.0f);
    for (std::size_t i = begin; i < end; i += w) {
        const batch x = batch::load_unaligned(weights + i);
        most = xsimd::max(most, x);
        zero = multiply_add<Arch>(x, batch(0.0f), zero);
    }
    const float largest = max_lanes<Arch>(most);
    const batch inverse(largest > 0.0f ? max_weight_code / largest : 0.0f);
    for (std::size_t i = begin; i < end; i += block) {
        for (std::size_t j = 0; j < block / 2; j += w) {
            const batch x = batch::load_unaligned(weights + i + j) * inverse;
            const batch y = batch::load_unaligned(weights + i + block / 2 + j) * inverse;
            std::bit_cast<batch>(pair_words<Arch>(x, y)).store_unaligned(weights + i / 2 + j);
        }
    }
    return largest / max_weight_code + sum_lanes<Arch>(zero);
}

/// Computes sums_q += words_q * values over the value blocks that cover [first, last).
/// @param words  [Queries], of each query score_stride apart, see encode_weights
/// @param values of the stretch, see kv_layout<int8>
/// @param sums   [Queries, width], bits of 32-bit integers
template <class Arch, std::size_t Queries>
void sum_codes(const float* words, const std::int8_t* values, std::size_t head_dim, std::size_t first, std::size_t last,
               float* sums, prefetch_range ahead) noexcept {
    using batch = float_batch<Arch>;
    using ints = int_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>, parts = code_parts<Arch>, rows = kv_layout<int8>::value_block / 2;
    const std::size_t width = value_width(head_dim), bytes = kv_layout<int8>::value_block_bytes(head_dim);
    const std::size_t from = first / (2 * rows), to = round_up(last, 2 * rows) / (2 * rows);
    const std::size_t ahead_bytes = ahead.part((to - from) * (width / (parts * w)));
    for (std::size_t column = 0; column < width; column += parts * w) {
        ints sum[Queries][parts];
        EARLYOUT_UNROLL(16)
        for (std::size_t q = 0; q < Queries; ++q) {
            EARLYOUT_UNROLL(16)
            for (std::size_t p = 0; p < parts; ++p) {
                sum[q][p] = std::bit_cast<ints>(batch::load_unaligned(sums + q * width + column + p * w));
            }
        }
        for (std::size_t block = from; block < to; ++block) {
            ahead.next(ahead_bytes);
            const std::int8_t* const codes = values + block * bytes + 2 * column;
            for (std::size_t i = 0; i < rows; ++i) {
                split_words<Arch> row[parts];
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < parts; ++p) {
                    row[p] = split_pairs<Arch>(load_byte_pairs<Arch>(codes + 2 * (i * width + p * w)));
                }
                EARLYOUT_UNROLL(16)
                for (std::size_t q = 0; q < Queries; ++q) {
                    const ints pair = broadcast_pair<Arch>(words + q * score_stride + block * rows + i);
                    EARLYOUT_UNROLL(16)
                    for (std::size_t p = 0; p < parts; ++p) sum[q][p] = pair_dot<Arch>(row[p], pair, sum[q][p]);
                }
            }
        }
        EARLYOUT_UNROLL(16)
        for (std::size_t q = 0; q < Queries; ++q) {
            EARLYOUT_UNROLL(16)
            for (std::size_t p = 0; p < parts; ++p) {
                std::bit_cast<batch>(sum[q][p]).store_unaligned(sums + q * width + column + p * w);
            }
        }
    }
}

}  // namespace detail

/// attend_stretch() for int8: queries, and the weights of values, are rounded to 16 bits.
template <class Arch = default_arch, class HeadDim>
void attend_stretch(int8, std::span<const head_query> queries, std::size_t stretch,
                    const stretch_memory<std::int8_t>& at, HeadDim head_dim, float scale, softmax_state* states,
                    float* sums, float* scratch, Arch = {}) noexcept {
    using layout = kv_layout<int8>;
    constexpr std::size_t most = shared_queries<Arch>, tile = detail::code_queries<Arch>;
    const std::size_t width = value_width(head_dim);
    detail::stretch_query here[most];
    const detail::stretch_query seen = detail::clip_to_stretch(queries, stretch, here);
    std::fill_n(states, queries.size(), softmax_state{});
    if (seen.first >= seen.last) return;
    float* const scores = scratch;
    float* const words = scores + most * score_stride;
    float factors[most];
    for (std::size_t q = 0; q < queries.size(); ++q) {
        factors[q] = scale * detail::encode_query<Arch>(queries[q].query, head_dim, words + q);
    }

    const detail::entry_runs runs(queries, seen, tile);
    const auto address = [](const std::int8_t* of) { return reinterpret_cast<std::uintptr_t>(of); };
    const std::uintptr_t values_at = address(at.values);
    const std::size_t key_bytes = layout::key_block_bytes(head_dim) / key_block;
    const std::size_t value_bytes = layout::value_block_bytes(head_dim) / layout::value_block;
    const auto score = [&](std::size_t first, std::size_t last, const auto& ahead) {
        detail::for_each_tile<tile>(queries.size(), [&]<std::size_t Size>(std::size_t q, extent<Size>) {
            detail::score_codes<Arch, Size>(words + q, factors + q, at.keys, head_dim, first, last,
                                            scores + q * score_stride, ahead(q, Size));
        });
    };
    runs.for_each(key_bytes, address(at.keys), values_at + seen.first * value_bytes, score);
    for (std::size_t q = 0; q < queries.size(); ++q) {
        const std::size_t count = here[q].last - here[q].first;
        float* const row = scores + q * score_stride;
        if (count != 0) {
            if (queries[q].cap != 0.0f) soft_cap<Arch>(row + here[q].first, count, queries[q].cap);
            states[q].most = max_value<Arch>(row + here[q].first, count);
            states[q].sum = exp_and_sum<Arch>(row + here[q].first, count, states[q].most);
        }
        factors[q] =
            detail::encode_weights<Arch>(row, here[q].first, here[q].last, seen.first, seen.last, at.values, head_dim);
    }
    std::fill_n(sums, queries.size() * width, 0.0f);
    const auto sum = [&](std::size_t first, std::size_t last, const auto& ahead) {
        detail::for_each_tile<tile>(queries.size(), [&]<std::size_t Size>(std::size_t q, extent<Size>) {
            detail::sum_codes<Arch, Size>(scores + q * score_stride, at.values, head_dim, first, last, sums + q * width,
                                          ahead(q, Size));
        });
    };
    runs.for_each(value_bytes, values_at, address(at.next), sum);
    for (std::size_t q = 0; q < queries.size(); ++q) {
        const float_batch<Arch> factor(factors[q]);
        transform<Arch>(sums + q * width, sums + q * width, width, [&](const float_batch<Arch>& bits) {
            return xsimd::to_float(std::bit_cast<int_batch<Arch>>(bits)) * factor;
        });
    }
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
