// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_INT4_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_INT4_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's Q4_0: 4-bit integers -8 .. 7 times one binary16 scale for each 32 weights, 4.5 bits a weight.
struct int4 : detail::codes_of_4_bits<2> {
    static constexpr const char* name = "int4";
    static constexpr dtype stored = dtype::q4_0;
    static constexpr int bits = 4;
    static constexpr int zero = 8;
    static constexpr block_layout layout{.values = 32, .span = 32, .factor = 0};
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
