// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_KV_LAYOUT_HPP
#define EARLYOUT_KERNELS_KV_LAYOUT_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/half.hpp>

#include <algorithm>
#include <cstddef>

/// @file How the keys and values of one head are stored for attention.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Components of a value in memory: whole registers. The rest are zero.
[[nodiscard]] constexpr std::size_t value_width(std::size_t head_dim) noexcept { return round_up(head_dim, key_block); }

/// The layout of a format; absent for formats in which keys and values cannot be stored.
template <class Format>
struct kv_layout;

/// f32, bf16 and f16: keys transposed in blocks of 16 entries, entry i, component k at
/// (i / 16 * head_dim + k) * 16 + i % 16, so that one query meets 16 keys without a horizontal sum; values by row.
template <element_format Format>
struct kv_layout<Format> {
    using element = typename Format::element;

    /// Returns the elements of `entries` keys: of so many whole blocks.
    static constexpr std::size_t key_size(std::size_t head_dim, std::size_t entries) noexcept {
        return round_up(entries, key_block) * head_dim;
    }
    static constexpr std::size_t value_size(std::size_t head_dim, std::size_t entries) noexcept {
        return entries * value_width(head_dim);
    }
    /// Returns the bytes that a query reads of an entry.
    static constexpr std::size_t entry_bytes(std::size_t head_dim) noexcept {
        return (head_dim + value_width(head_dim)) * sizeof(element);
    }
    /// Stores one entry.
    /// @param key, value [head_dim]
    static void store(element* keys, element* values, std::size_t head_dim, std::size_t entry, const float* key,
                      const float* value) noexcept {
        element* const to_keys = keys + entry / key_block * key_block * head_dim + entry % key_block;
        encode(Format{}, value, head_dim, values + entry * value_width(head_dim));
        element column[key_block];
        for (std::size_t k = 0; k < head_dim; k += key_block) {
            const std::size_t count = std::min(key_block, head_dim - k);
            encode(Format{}, key + k, count, column);
            element* const to = to_keys + k * key_block;
            for (std::size_t i = 0; i < count; ++i) to[i * key_block] = column[i];
        }
    }
};

/// A format in which keys and values can be stored.
template <class Format>
concept cached_format = requires { typename kv_layout<Format>::element; };

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
