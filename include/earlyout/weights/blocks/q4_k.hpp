// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_Q4_K_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_Q4_K_HPP

#include <earlyout/weights/blocks/group_format.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// llama.cpp's Q4_K: 4-bit integers, 4.5 bits a weight. For 256 weights two binary16 factors and 12 bytes with a 6-bit
/// scale and a 6-bit minimum for each 32 weights: value = factor scale code - minimum factor minimum. Codes: 32 bytes
/// for each 64 weights, the first 32 weights in the lower halves.
struct q4_k : detail::packed_scales_of_8 {
    static constexpr const char* name = "q4_k";
    static constexpr dtype stored = dtype::q4_k;
    static constexpr int bits = 4;
    static constexpr int zero = 0;

    template <class Codes = int>
    static constexpr Codes code(const std::byte* block, std::size_t i) noexcept {
        return detail::nibble_of_64<Codes>(block + 16, i);
    }
    static constexpr void set_code(std::byte* block, std::size_t i, int code) noexcept {
        detail::set_nibble_of_64(block + 16, i, code);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
