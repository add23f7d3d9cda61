// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_Q5_K_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_Q5_K_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's Q5_K: 5-bit integers, 5.5 bits a weight; as Q4_K, with the fifth bits in 32 bytes before the lower
/// four: bit g of byte i belongs to weight i of the block's group g of 32.
struct q5_k : detail::packed_scales_of_8 {
    static constexpr const char* name = "q5_k";
    static constexpr dtype stored = dtype::q5_k;
    static constexpr int bits = 5;
    static constexpr int zero = 0;

    template <class Codes = int>
    static constexpr Codes code(const std::byte* block, std::size_t i) noexcept {
        return detail::nibble_of_64<Codes>(block + 48, i) | detail::field<Codes>(block + 16 + i % 32, i / 32, 1) << 4;
    }
    static constexpr void set_code(std::byte* block, std::size_t i, int code) noexcept {
        detail::set_nibble_of_64(block + 48, i, code & 15);
        detail::set_field(block + 16 + i % 32, i / 32, 1, code >> 4);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
