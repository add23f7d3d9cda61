// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_Q3_K_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_Q3_K_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's Q3_K: 3-bit integers -4 .. 3, 3.4375 bits a weight. For 256 weights one binary16 factor and 12 bytes
/// with a 6-bit scale for each 16 weights: value = factor (scale - 32) (code - 4). Codes: 32 bytes with the third bits,
/// bit g of byte i for weight i of group g of 32; then for each 128 weights 32 bytes with the lower two bits of weights
/// i, i + 32, i + 64 and i + 96.
struct q3_k {
    static constexpr const char* name = "q3_k";
    static constexpr dtype stored = dtype::q3_k;
    static constexpr int bits = 3;
    static constexpr int zero = 4;
    static constexpr block_layout layout{.values = 256, .span = 16, .factor = 108, .first_byte = 96, .bytes = 12};

    template <class Codes = int>
    static constexpr Codes code(const std::byte* block, std::size_t i) noexcept {
        return detail::field<Codes>(block + 32 + i / 128 * 32 + i % 32, i % 128 / 32, 2) |
               detail::field<Codes>(block + i % 32, i / 32, 1) << 2;
    }
    static constexpr void set_code(std::byte* block, std::size_t i, int code) noexcept {
        detail::set_field(block + 32 + i / 128 * 32 + i % 32, i % 128 / 32, 2, code & 3);
        detail::set_field(block + i % 32, i / 32, 1, code >> 2);
    }

    /// Lower four bits: spans 0 to 7 in the lower, 8 to 15 in the upper halves of bytes 0 to 7. Upper two: bytes 8
    /// to 11.
    template <class Byte>
    static constexpr auto scale(std::size_t span, Byte byte) noexcept {
        using integer = decltype(byte(span));
        const integer low = byte(span % 8) >> (span < 8 ? 0 : 4) & integer(15);
        const integer high = byte(8 + span % 4) >> static_cast<int>(span / 4 * 2) & integer(3);
        return (low | high << 4) - integer(32);
    }
    static constexpr int max_scale = 31;
    static constexpr int min_scale = -32;
    static constexpr void set_scale(std::byte* block, std::size_t span, int scale) noexcept {
        detail::set_field(block + 96 + span % 8, span / 8, 4, (scale + 32) & 15);
        detail::set_field(block + 104 + span % 4, span / 4, 2, (scale + 32) >> 4);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
