// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_Q5_1_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_Q5_1_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's Q5_1: 5-bit integers times a binary16 scale, plus a binary16 minimum, for each 32 weights: 6 bits a
/// weight. The fifth bits are a 32-bit word of their own.
struct q5_1 {
    static constexpr const char* name = "q5_1";
    static constexpr dtype stored = dtype::q5_1;
    static constexpr int bits = 5;
    static constexpr int zero = 0;
    static constexpr block_layout layout{.values = 32, .span = 32, .factor = 0, .minimum_factor = 2, .offset = 1};

    static constexpr int code(const std::byte* block, std::size_t i) noexcept {
        return detail::nibble_of_32(block + 8, i) | detail::field(block + 4, i, 1) << 4;
    }
    static constexpr void set_code(std::byte* block, std::size_t i, int code) noexcept {
        detail::set_nibble_of_32(block + 8, i, code & 15);
        detail::set_field(block + 4, i, 1, code >> 4);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
