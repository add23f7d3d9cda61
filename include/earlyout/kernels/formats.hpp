// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_FORMATS_HPP
#define EARLYOUT_KERNELS_FORMATS_HPP

#include <earlyout/core/dtype.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout::inline EARLYOUT_ABI {

/// Weight format tags: how a packed matrix stores a weight, and where in its panel it stores a row.

/// 32-bit floats.
struct f32 {
    using element = float;
    static constexpr const char* name = "f32";

    static constexpr element encode(float weight) noexcept { return weight; }
    static constexpr float decode(element stored) noexcept { return stored; }
    static constexpr std::size_t place(std::size_t row) noexcept { return row; }
};

/// bfloat16, the upper half of a float: half the bytes, 8 significant bits. Products are computed in floats, so a
/// checkpoint stored in bfloat16 gives the same bits as in f32.
struct bf16 {
    using element = std::uint16_t;
    static constexpr const char* name = "bf16";

    /// The nearest one; ties to even.
    static constexpr element encode(float weight) noexcept { return float_to_bf16(weight); }
    static constexpr float decode(element stored) noexcept { return bf16_to_float(stored); }
    /// Rows r and r + 16 share a 32-bit word: one load gives the floats of both by a shift and a mask.
    static constexpr std::size_t place(std::size_t row) noexcept { return row % 16 * 2 + row / 16; }
};

}  // namespace earlyout::inline EARLYOUT_ABI

#endif
