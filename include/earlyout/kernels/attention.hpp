// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ATTENTION_HPP
#define EARLYOUT_KERNELS_ATTENTION_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/half.hpp>
#include <earlyout/kernels/softmax.hpp>

#include <algorithm>
#include <cstddef>

namespace earlyout::inline EARLYOUT_ABI {
namespace kernels {

/// scores[i] = scale * (query . key_i) for the entries of whole key blocks that cover [first, last). A sum over k is
/// four sums over every fourth k, so that it does not wait for itself.
/// @param query  [head_dim]
/// @param keys   one head's keys in f32, bf16 or f16: entry i, component k at keys[(i / 16 * head_dim + k) * 16 + i %
/// 16]
/// @param scores room for `last` rounded up to 16; entries below `first` rounded down stay untouched
template <class Arch, element_format Format, class HeadDim>
inline void attention_scores(Format format, const float* query, const typename Format::element* keys, HeadDim head_dim,
                             float scale, std::size_t first, std::size_t last, float* scores) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    constexpr std::size_t parts = key_block / w;
    constexpr std::size_t sums = 4;
    const std::size_t size = head_dim;
    for (std::size_t block = first / key_block; block * key_block < last; ++block) {
        const typename Format::element* key = keys + block * size * key_block;
        batch sum[sums][parts];  // in registers only if its loops are unrolled, see multiply_tile
#pragma GCC unroll 16
        for (auto& row : sum) {
#pragma GCC unroll 16
            for (auto& part : row) part = batch(0.0f);
        }
        const auto add = [&](std::size_t k, batch(&to)[parts]) {
            batch column[parts];
            load_contiguous<Arch>(format, key + k * key_block, column);
            const batch value(query[k]);
#pragma GCC unroll 16
            for (std::size_t p = 0; p < parts; ++p) to[p] = multiply_add<Arch>(value, column[p], to[p]);
        };
        const std::size_t rest = size % sums;
        for (std::size_t k = 0; k < size - rest; k += sums) {
#pragma GCC unroll 16
            for (std::size_t s = 0; s < sums; ++s) add(k + s, sum[s]);
        }
        if (rest != 0) {
            for (std::size_t k = size - rest; k < size; ++k) add(k, sum[0]);
        }
#pragma GCC unroll 16
        for (std::size_t p = 0; p < parts; ++p) {
            const batch all = (sum[0][p] + sum[1][p]) + (sum[2][p] + sum[3][p]);
            (all * batch(scale)).store_unaligned(scores + block * key_block + p * w);
        }
    }
}

/// out = sum over i in [first, last) of weights[i] * values_i, times `scale`.
/// @param values one head's values in f32, bf16 or f16: entry i at values + i * stride; rows are padded to 16
/// @param out    [head_dim]
template <class Arch, element_format Format, class HeadDim>
inline void weighted_sum(Format format, const float* weights, const typename Format::element* values,
                         std::size_t stride, HeadDim head_dim, float scale, std::size_t first, std::size_t last,
                         float* out) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    const auto sum_columns = [&]<std::size_t Columns>(std::size_t column, extent<Columns>) {
        constexpr std::size_t parts = Columns / w;
        batch sum[parts];
#pragma GCC unroll 16
        for (auto& part : sum) part = batch(0.0f);
        for (std::size_t i = first; i < last; ++i) {
            const batch weight(weights[i]);
            batch value[parts];
            load_contiguous<Arch>(format, values + i * stride + column, value);
#pragma GCC unroll 16
            for (std::size_t p = 0; p < parts; ++p) sum[p] = multiply_add<Arch>(weight, value[p], sum[p]);
        }
#pragma GCC unroll 16
        for (std::size_t p = 0; p < parts; ++p) {
            const std::size_t at = column + p * w;
            if (at >= head_dim) break;
            const batch scaled = sum[p] * batch(scale);
            if (at + w <= head_dim) {
                scaled.store_unaligned(out + at);
            } else {
                store_tail<Arch>(scaled, out + at, head_dim - at);
            }
        }
    };
    constexpr std::size_t wide = std::max(4 * w, key_block);
    std::size_t column = 0;
    for (; column + wide <= head_dim; column += wide) sum_columns(column, extent<wide>{});
    for (; column < head_dim; column += key_block) sum_columns(column, extent<key_block>{});
}

/// One query of one head over cache entries [first, last): softmax(scale * q Kᵀ) V.
/// @param scores scratch, room for `last` rounded up to 16
/// @param out    [head_dim]; zero when the range is empty
template <class Arch = default_arch, element_format Format, class HeadDim>
void attend(Format format, const float* query, const typename Format::element* keys,
            const typename Format::element* values, std::size_t value_stride, HeadDim head_dim, float scale,
            std::size_t first, std::size_t last, float* scores, float* out, Arch = {}) noexcept {
    attention_scores<Arch>(format, query, keys, head_dim, scale, first, last, scores);
    const float most = max_value<Arch>(scores + first, last - first);
    const float sum = exp_and_sum<Arch>(scores + first, last - first, most);
    weighted_sum<Arch>(format, scores, values, value_stride, head_dim, sum > 0.0f ? 1.0f / sum : 0.0f, first, last,
                       out);
}

}  // namespace kernels
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
