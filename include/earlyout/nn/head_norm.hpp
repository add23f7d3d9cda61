// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_HEAD_NORM_HPP
#define EARLYOUT_NN_HEAD_NORM_HPP

#include <earlyout/nn/normalization.hpp>

#include <cstddef>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Normalises every head's query and key separately before positions are applied (Qwen3).
template <class Positions, std::size_t HeadDim = dynamic>
struct normed_heads {
    rms_norm<HeadDim> query_norm;
    rms_norm<HeadDim> key_norm;
    Positions positions;

    /// Normalises in place, then applies positions. queries: [heads, head_dim], keys: [kv_heads, head_dim]
    void operator()(std::size_t position, float* queries, std::size_t heads, float* keys, std::size_t kv_heads,
                    std::size_t head_dim) const noexcept {
        for (std::size_t h = 0; h < heads; ++h) query_norm(queries + h * head_dim, queries + h * head_dim);
        for (std::size_t h = 0; h < kv_heads; ++h) key_norm(keys + h * head_dim, keys + h * head_dim);
        positions(position, queries, heads, keys, kv_heads, head_dim);
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return query_norm.bytes() + key_norm.bytes(); }
};

/// Normalises a token's queries as a whole, and its keys, before positions are applied (OLMo 2).
template <class Positions>
struct normed_projections {
    rms_norm<> query_norm;  ///< [heads * head_dim]
    rms_norm<> key_norm;    ///< [kv_heads * head_dim]
    Positions positions;

    /// Normalises in place, then applies positions. queries: [heads, head_dim], or no heads; keys: [kv_heads, head_dim]
    void operator()(std::size_t position, float* queries, std::size_t heads, float* keys, std::size_t kv_heads,
                    std::size_t head_dim) const noexcept {
        if (heads != 0) query_norm(queries, queries);
        key_norm(keys, keys);
        positions(position, queries, heads, keys, kv_heads, head_dim);
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return query_norm.bytes() + key_norm.bytes(); }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
