// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ATTENTION_HPP
#define EARLYOUT_KERNELS_ATTENTION_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/softmax.hpp>

namespace earlyout::inline EARLYOUT_ABI {
namespace kernels {

/// scores[i] = scale * (query . key_i) for the entries of whole key blocks that cover [first, last).
/// @param query  [head_dim]
/// @param keys   this head's keys: entry i, component k at keys[(i / 16 * d_kv + k) * 16 + i % 16]
/// @param scores room for `last` rounded up to 16; entries below `first` rounded down stay untouched
template <class Arch, class HeadDim>
inline void attention_scores(const float* query, const float* keys, std::size_t d_kv, HeadDim head_dim, float scale,
                             std::size_t first, std::size_t last, float* scores) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    constexpr std::size_t parts = key_block / w;
    for (std::size_t block = first / key_block; block * key_block < last; ++block) {
        const float* key = keys + block * d_kv * key_block;
        batch sum[parts];  // in registers only if its loops are unrolled, see multiply_tile
#pragma GCC unroll 16
        for (auto& part : sum) part = batch(0.0f);
        for (std::size_t k = 0; k < head_dim; ++k, key += key_block) {
            const batch value(query[k]);
#pragma GCC unroll 16
            for (std::size_t p = 0; p < parts; ++p) {
                sum[p] = multiply_add<Arch>(value, batch::load_aligned(key + p * w), sum[p]);
            }
        }
#pragma GCC unroll 16
        for (std::size_t p = 0; p < parts; ++p) {
            (sum[p] * batch(scale)).store_unaligned(scores + block * key_block + p * w);
        }
    }
}

/// out = sum over i in [first, last) of weights[i] * values_i, times `scale`.
/// @param values entry i at values + i * stride; rows are padded to whole registers
/// @param out    [head_dim]
template <class Arch, class HeadDim>
inline void weighted_sum(const float* weights, const float* values, std::size_t stride, HeadDim head_dim, float scale,
                         std::size_t first, std::size_t last, float* out) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    const auto sum_columns = [&]<std::size_t Parts>(std::size_t column, extent<Parts>) {
        batch sum[Parts];
#pragma GCC unroll 16
        for (auto& part : sum) part = batch(0.0f);
        for (std::size_t i = first; i < last; ++i) {
            const batch weight(weights[i]);
            const float* value = values + i * stride + column;
#pragma GCC unroll 16
            for (std::size_t p = 0; p < Parts; ++p) {
                sum[p] = multiply_add<Arch>(weight, batch::load_unaligned(value + p * w), sum[p]);
            }
        }
#pragma GCC unroll 16
        for (std::size_t p = 0; p < Parts; ++p) {
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
    std::size_t column = 0;
    for (; column + 4 * w <= head_dim; column += 4 * w) sum_columns(column, extent<4>{});
    for (; column + 2 * w <= head_dim; column += 2 * w) sum_columns(column, extent<2>{});
    for (; column < head_dim; column += w) sum_columns(column, extent<1>{});
}

/// One query of one head over cache entries [first, last): softmax(scale * q Kᵀ) V.
/// @param scores scratch, room for `last` rounded up to 16
/// @param out    [head_dim]; zero when the range is empty
template <class Arch = default_arch, class HeadDim>
void attend(const float* query, const float* keys, const float* values, std::size_t d_kv, std::size_t value_stride,
            HeadDim head_dim, float scale, std::size_t first, std::size_t last, float* scores, float* out,
            Arch = {}) noexcept {
    attention_scores<Arch>(query, keys, d_kv, head_dim, scale, first, last, scores);
    const float most = max_value<Arch>(scores + first, last - first);
    const float sum = exp_and_sum<Arch>(scores + first, last - first, most);
    weighted_sum<Arch>(scores, values, value_stride, head_dim, sum > 0.0f ? 1.0f / sum : 0.0f, first, last, out);
}

}  // namespace kernels
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
