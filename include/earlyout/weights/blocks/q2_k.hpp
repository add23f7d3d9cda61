// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_Q2_K_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_Q2_K_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's Q2_K: 2-bit integers, 2.625 bits a weight. For 256 weights two binary16 factors and a byte for each 16
/// weights with a 4-bit scale, lower, and a 4-bit minimum: value = factor scale code - minimum factor minimum. Codes:
/// for each 128 weights 32 bytes with weights i, i + 32, i + 64 and i + 96.
struct q2_k {
    static constexpr const char* name = "q2_k";
    static constexpr dtype stored = dtype::q2_k;
    static constexpr int bits = 2;
    static constexpr int zero = 0;
    static constexpr block_layout layout{
        .values = 256, .span = 16, .factor = 80, .minimum_factor = 82, .first_byte = 0, .bytes = 16, .offset = -1};

    template <class Codes = int>
    static constexpr Codes code(const std::byte* block, std::size_t i) noexcept {
        return detail::field<Codes>(block + 16 + i / 128 * 32 + i % 32, i % 128 / 32, 2);
    }
    static constexpr void set_code(std::byte* block, std::size_t i, int code) noexcept {
        detail::set_field(block + 16 + i / 128 * 32 + i % 32, i % 128 / 32, 2, code);
    }

    template <class Byte>
    static constexpr auto scale(std::size_t span, Byte byte) noexcept {
        return byte(span) & decltype(byte(span))(15);
    }
    template <class Byte>
    static constexpr auto minimum(std::size_t span, Byte byte) noexcept {
        return byte(span) >> 4;
    }
    static constexpr int max_scale = 15;
    static constexpr int min_scale = 0;
    static constexpr void set_scale(std::byte* block, std::size_t span, int scale) noexcept {
        detail::set_field(block + span, 0, 4, scale);
    }
    static constexpr void set_minimum(std::byte* block, std::size_t span, int minimum) noexcept {
        detail::set_field(block + span, 1, 4, minimum);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
