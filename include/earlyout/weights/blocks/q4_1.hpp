// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_Q4_1_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_Q4_1_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's Q4_1: 4-bit integers times a binary16 scale, plus a binary16 minimum, for each 32 weights: 5 bits a
/// weight.
struct q4_1 : detail::codes_of_4_bits<4> {
    static constexpr const char* name = "q4_1";
    static constexpr dtype stored = dtype::q4_1;
    static constexpr int bits = 4;
    static constexpr int zero = 0;
    static constexpr block_layout layout{.values = 32, .span = 32, .factor = 0, .minimum_factor = 2, .offset = 1};
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
