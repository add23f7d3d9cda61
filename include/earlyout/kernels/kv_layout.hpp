// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_KV_LAYOUT_HPP
#define EARLYOUT_KERNELS_KV_LAYOUT_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/half.hpp>
#include <earlyout/kernels/quantize.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

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

    /// Returns the elements that `entries` keys take, in whole blocks.
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

/// int8: a key or value x of one head is scale * codes, |codes| <= 127, scale = max |x| / 127 in f32. Two codes share a
/// 16-bit word, for products of pairs: components k and k + half of a key, entries i and i + 16 of a component of
/// values. Keys are blocks of 16 entries, [half][16] words, then 16 scales; values blocks of 32, [16][value_width]
/// words, then 32 scales. A vector with a component that is not finite has the scale NaN.
template <>
struct kv_layout<int8> {
    using element = std::int8_t;
    static constexpr std::size_t value_block = 32;

    /// Returns the words of a key: half of its components.
    static constexpr std::size_t half(std::size_t head_dim) noexcept { return (head_dim + 1) / 2; }
    static constexpr std::size_t key_block_bytes(std::size_t head_dim) noexcept {
        return key_block * (2 * half(head_dim) + sizeof(float));
    }
    static constexpr std::size_t value_block_bytes(std::size_t head_dim) noexcept {
        return value_block * (value_width(head_dim) + sizeof(float));
    }
    static constexpr std::size_t key_size(std::size_t head_dim, std::size_t entries) noexcept {
        return round_up(entries, key_block) / key_block * key_block_bytes(head_dim);
    }
    static constexpr std::size_t value_size(std::size_t head_dim, std::size_t entries) noexcept {
        return round_up(entries, value_block) / value_block * value_block_bytes(head_dim);
    }
    static constexpr std::size_t entry_bytes(std::size_t head_dim) noexcept {
        return key_block_bytes(head_dim) / key_block + value_block_bytes(head_dim) / value_block;
    }
    /// Stores one entry.
    /// @param key, value [head_dim]
    static void store(element* keys, element* values, std::size_t head_dim, std::size_t entry, const float* key,
                      const float* value) noexcept {
        const std::size_t words = half(head_dim), width = value_width(head_dim);
        element* const key_codes = keys + entry / key_block * key_block_bytes(head_dim);
        element* const value_codes = values + entry / value_block * value_block_bytes(head_dim);
        const std::size_t in_key = entry % key_block, in_value = entry % value_block, row = in_value % 16;
        const float key_scale = encode_codes(key, head_dim, [&](std::size_t k, element code) {
            key_codes[(k % words * key_block + in_key) * 2 + k / words] = code;
        });
        const float value_scale = encode_codes(value, head_dim, [&](std::size_t k, element code) {
            value_codes[(row * width + k) * 2 + in_value / 16] = code;
        });
        std::memcpy(key_codes + 2 * words * key_block + in_key * sizeof(float), &key_scale, sizeof(float));
        std::memcpy(value_codes + value_block * width + in_value * sizeof(float), &value_scale, sizeof(float));
    }

private:
    /// Calls set(k, code) for each component; returns the scale.
    template <class Set>
    static float encode_codes(const float* x, std::size_t n, Set set) noexcept {
        float most = 0.0f, zero = 0.0f;
        for (std::size_t k = 0; k < n; ++k) {
            most = std::max(most, std::abs(x[k]));
            zero += x[k] * 0.0f;
        }
        constexpr float least = 0x1p-100f;  // smaller ones have no inverse
        const float inverse = most < least || zero != 0.0f ? 0.0f : 127.0f / most;
        for (std::size_t k = 0; k < n; ++k) {
            const float code = std::clamp(x[k] * inverse, -127.0f, 127.0f);
            set(k, inverse == 0.0f ? element{0} : static_cast<element>(detail::nearest(code)));
        }
        return most < least ? zero : most / 127.0f + zero;
    }
};

/// A format in which keys and values can be stored.
template <class Format>
concept cached_format = requires { typename kv_layout<Format>::element; };

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
