// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_Q6_K_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_Q6_K_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's Q6_K: 6-bit integers -32 .. 31, 6.5625 bits a weight. For 256 weights one binary16 factor and a signed
/// byte for each 16 weights: value = factor scale (code - 32). Codes: for each 128 weights 64 bytes with the lower four
/// bits, those of weights 64 and on in the upper halves; then 32 bytes for each 128 weights with the upper two bits of
/// weights i, i + 32, i + 64 and i + 96.
struct q6_k {
    static constexpr const char* name = "q6_k";
    static constexpr dtype stored = dtype::q6_k;
    static constexpr int bits = 6;
    static constexpr int zero = 32;
    static constexpr block_layout layout{.values = 256, .span = 16, .factor = 208, .first_byte = 192, .bytes = 16};

    template <class Codes = int>
    static constexpr Codes code(const std::byte* block, std::size_t i) noexcept {
        return detail::field<Codes>(block + i / 128 * 64 + i % 64, i % 128 / 64, 4) |
               detail::field<Codes>(block + 128 + i / 128 * 32 + i % 32, i % 128 / 32, 2) << 4;
    }
    static constexpr void set_code(std::byte* block, std::size_t i, int code) noexcept {
        detail::set_field(block + i / 128 * 64 + i % 64, i % 128 / 64, 4, code & 15);
        detail::set_field(block + 128 + i / 128 * 32 + i % 32, i % 128 / 32, 2, code >> 4);
    }

    template <class Byte>
    static constexpr auto scale(std::size_t span, Byte byte) noexcept {
        return detail::signed_byte(byte(span));
    }
    static constexpr int max_scale = 127;
    static constexpr int min_scale = -128;
    static constexpr void set_scale(std::byte* block, std::size_t span, int scale) noexcept {
        block[192 + span] = static_cast<std::byte>(scale);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
