// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_IQ4_NL_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_IQ4_NL_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's IQ4_NL: 16 unevenly spaced values times one binary16 scale for each 32 weights, 4.5 bits a weight.
struct iq4_nl : detail::codes_of_4_bits<2> {
    static constexpr const char* name = "iq4_nl";
    static constexpr dtype stored = dtype::iq4_nl;
    static constexpr int bits = 4;
    static constexpr int zero = 128;
    static constexpr code_values values = detail::uneven_values;
    static constexpr block_layout layout{.values = 32, .span = 32, .factor = 0};
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
