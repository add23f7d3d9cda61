// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_HPP

#include <earlyout/core/dtype.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The block types of GGUF files, layouts as in llama.cpp's ggml-common.h. A matrix row is a whole number of blocks.
/// Each decoded value is the float nearest to the exact value.
namespace detail {

[[nodiscard]] constexpr int byte_at(const std::byte* from, std::size_t index) noexcept {
    return std::to_integer<int>(from[index]);
}
[[nodiscard]] constexpr int signed_at(const std::byte* from, std::size_t index) noexcept {
    return static_cast<std::int8_t>(from[index]);
}
[[nodiscard]] inline std::uint16_t half_bits(const std::byte* from) noexcept {
    std::uint16_t bits;
    std::memcpy(&bits, from, sizeof bits);
    return bits;
}

/// Q8_0: a binary16 scale, then 32 signed bytes.
inline void decode_q8_0(const std::byte* block, float* out) noexcept {
    const float scale = f16_to_float(half_bits(block));
    for (std::size_t i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(signed_at(block + 2, i));
}

/// Q4_0: a binary16 scale, then 16 bytes: code + 8 of value i in the lower half of byte i, of value i + 16 in the
/// upper.
inline void decode_q4_0(const std::byte* block, float* out) noexcept {
    const float scale = f16_to_float(half_bits(block));
    for (std::size_t i = 0; i < 16; ++i) {
        const int both = byte_at(block + 2, i);
        out[i] = scale * static_cast<float>((both & 15) - 8);
        out[i + 16] = scale * static_cast<float>((both >> 4) - 8);
    }
}

/// Q4_K: two binary16 factors, 12 bytes with a 6-bit scale and a 6-bit minimum for each of 8 groups of 32, then for
/// each two groups 32 bytes, the first group in the lower halves. value = d scale code - d_min minimum.
inline void decode_q4_k(const std::byte* block, float* out) noexcept {
    const float d = f16_to_float(half_bits(block));
    const float d_min = f16_to_float(half_bits(block + 2));
    const std::byte* const packed = block + 4;
    const std::byte* const codes = block + 16;
    for (std::size_t g = 0; g < 8; ++g) {
        // Groups 0 to 3 use the lower six bits of bytes g and g + 4; the others four bits of byte g + 4 and, as upper
        // two, the two remaining bits of those bytes.
        const int scale =
            g < 4 ? byte_at(packed, g) & 63 : (byte_at(packed, g + 4) & 15) | (byte_at(packed, g - 4) >> 6) << 4;
        const int minimum =
            g < 4 ? byte_at(packed, g + 4) & 63 : byte_at(packed, g + 4) >> 4 | (byte_at(packed, g) >> 6) << 4;
        const float step = d * static_cast<float>(scale);
        const float below = d_min * static_cast<float>(minimum);
        for (std::size_t i = 0; i < 32; ++i) {
            const int both = byte_at(codes, g / 2 * 32 + i);
            out[g * 32 + i] = step * static_cast<float>(g % 2 == 0 ? both & 15 : both >> 4) - below;
        }
    }
}

/// Q6_K: 128 bytes with the lower four bits of codes, 64 with the upper two, 16 signed scales, one binary16 factor.
/// Each half of the block is four groups of 32, with a scale for each 16 values. value = d scale (code - 32).
inline void decode_q6_k(const std::byte* block, float* out) noexcept {
    const float d = f16_to_float(half_bits(block + 208));
    for (std::size_t g = 0; g < 8; ++g) {
        const std::size_t half = g / 4;
        const std::size_t part = g % 4;
        for (std::size_t i = 0; i < 32; ++i) {
            const int low = byte_at(block, half * 64 + part % 2 * 32 + i) >> (part < 2 ? 0 : 4) & 15;
            const int high = byte_at(block + 128, half * 32 + i) >> (2 * part) & 3;
            const int scale = signed_at(block + 192, g * 2 + i / 16);
            out[g * 32 + i] = d * static_cast<float>(scale) * static_cast<float>((low | high << 4) - 32);
        }
    }
}

/// Decodes one block of a block type.
/// @param out [block_elements(type)]
inline void decode_block(dtype type, const std::byte* block, float* out) noexcept {
    switch (type) {
        case dtype::q8_0: return decode_q8_0(block, out);
        case dtype::q4_0: return decode_q4_0(block, out);
        case dtype::q4_k: return decode_q4_k(block, out);
        case dtype::q6_k: return decode_q6_k(block, out);
        default: return;
    }
}

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
