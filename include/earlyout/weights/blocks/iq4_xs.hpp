// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_IQ4_XS_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_IQ4_XS_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's IQ4_XS: the values of IQ4_NL, 4.25 bits a weight. For 256 weights one binary16 factor and a 6-bit scale
/// for each 32 weights: value = factor (scale - 32) values[code]. The scales' upper two bits are bytes 2 and 3, the
/// lower four bytes 4 to 7.
struct iq4_xs {
    static constexpr const char* name = "iq4_xs";
    static constexpr dtype stored = dtype::iq4_xs;
    static constexpr int bits = 4;
    static constexpr int zero = 128;
    static constexpr code_values values = detail::uneven_values;
    static constexpr block_layout layout{.values = 256, .span = 32, .factor = 0, .first_byte = 2, .bytes = 6};

    template <class Codes = int>
    static constexpr Codes code(const std::byte* block, std::size_t i) noexcept {
        return detail::nibble_of_32<Codes>(block + 8 + i / 32 * 16, i % 32);
    }
    static constexpr void set_code(std::byte* block, std::size_t i, int code) noexcept {
        detail::set_nibble_of_32(block + 8 + i / 32 * 16, i % 32, code);
    }

    template <class Byte>
    static constexpr auto scale(std::size_t span, Byte byte) noexcept {
        using integer = decltype(byte(span));
        const integer low = byte(2 + span / 2) >> static_cast<int>(span % 2 * 4) & integer(15);
        const integer high = byte(span / 4) >> static_cast<int>(span % 4 * 2) & integer(3);
        return (low | high << 4) - integer(32);
    }
    static constexpr int max_scale = 31;
    static constexpr int min_scale = -32;
    static constexpr void set_scale(std::byte* block, std::size_t span, int scale) noexcept {
        detail::set_field(block + 4 + span / 2, span % 2, 4, (scale + 32) & 15);
        detail::set_field(block + 2 + span / 4, span % 4, 2, (scale + 32) >> 4);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
