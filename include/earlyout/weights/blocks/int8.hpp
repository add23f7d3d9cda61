// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_INT8_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_INT8_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's Q8_0: 8-bit integers times one binary16 scale for each 32 weights, 8.5 bits a weight. Activations are
/// rounded to 8-bit integers too, with a scale for each group, and sums of a group are exact.
struct int8 {
    static constexpr const char* name = "int8";
    static constexpr dtype stored = dtype::q8_0;
    static constexpr int bits = 8;
    static constexpr int zero = 128;
    static constexpr block_layout layout{.values = 32, .span = 32, .factor = 0};

    template <class Codes = int>
    static constexpr Codes code(const std::byte* block, std::size_t i) noexcept {
        // signed + 128: the upper bit of each byte turned
        return detail::field<Codes>(block + 2 + i, 0, 8) ^ detail::in_each_code<Codes>(zero);
    }
    static constexpr void set_code(std::byte* block, std::size_t i, int code) noexcept {
        block[2 + i] = static_cast<std::byte>(code - zero);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
