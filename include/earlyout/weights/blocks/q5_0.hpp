// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_Q5_0_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_Q5_0_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's Q5_0: 5-bit integers -16 .. 15 times one binary16 scale for each 32 weights, 5.5 bits a weight. The
/// fifth bits are a 32-bit word of their own.
struct q5_0 : detail::codes_of_5_bits<2> {
    static constexpr const char* name = "q5_0";
    static constexpr dtype stored = dtype::q5_0;
    static constexpr int bits = 5;
    static constexpr int zero = 16;
    static constexpr block_layout layout{.values = 32, .span = 32, .factor = 0};
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
