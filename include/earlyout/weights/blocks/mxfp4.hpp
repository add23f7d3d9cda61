// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_MXFP4_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_MXFP4_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// MXFP4 of the Open Compute Project's Microscaling Formats, as gpt-oss stores it: 4-bit floats (two exponent bits and
/// one of the fraction) times a power of two for each 32 weights, 4.25 bits a weight. `values` are twice the floats.
struct mxfp4 : detail::codes_of_4_bits<1> {
    static constexpr const char* name = "mxfp4";
    static constexpr dtype stored = dtype::mxfp4;
    static constexpr int bits = 4;
    static constexpr int zero = 12;
    static constexpr code_values values{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    static constexpr block_layout layout{.values = 32, .span = 32, .first_byte = 0, .bytes = 1, .is_exponent = true};

    /// Returns the bits of a float, 2^(byte - 127): twice the scale of `values`, see layout.is_exponent.
    template <class Byte>
    static constexpr auto scale(std::size_t, Byte byte) noexcept {
        using integer = decltype(byte(0));
        const integer stored_byte = byte(0);
        return stored_byte << 23 | ((stored_byte - integer(1)) >> 31 & integer(0x00400000));  // byte 0: a subnormal
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
