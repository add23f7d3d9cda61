// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_FORMATS_HPP
#define EARLYOUT_KERNELS_FORMATS_HPP

#include <earlyout/core/dtype.hpp>
#include <earlyout/weights/blocks.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Weight format tags: how a packed matrix stores a weight. f32, bf16 and f16 store weights one by one; int8, int4,
/// q4_k and the other group formats (weights/blocks/) in blocks of codes with scales.

/// 32-bit floats.
struct f32 {
    using element = float;
    static constexpr const char* name = "f32";
    /// Bits that are all set in NaN and infinity, and in nothing else.
    static constexpr std::uint32_t exponent = 0x7f800000u;

    static constexpr element encode(float weight) noexcept { return weight; }
    static constexpr float decode(element stored) noexcept { return stored; }
    /// Returns the index of a row in its panel's column.
    static constexpr std::size_t place(std::size_t row) noexcept { return row; }
};

/// bfloat16, the upper half of a float: half the bytes, 8 significant bits. Products are computed in floats, so a
/// checkpoint stored in bfloat16 gives the same bits as in f32.
struct bf16 {
    using element = std::uint16_t;
    static constexpr const char* name = "bf16";
    /// Bits that are all set in NaN and infinity, and in nothing else.
    static constexpr std::uint16_t exponent = 0x7f80u;

    /// Returns the nearest one; ties to even.
    static constexpr element encode(float weight) noexcept { return float_to_bf16(weight); }
    static constexpr float decode(element stored) noexcept { return bf16_to_float(stored); }
    /// Rows r and r + 16 share a 32-bit word: one load gives the floats of both by a shift and a mask.
    static constexpr std::size_t place(std::size_t row) noexcept { return row % 16 * 2 + row / 16; }
};

/// IEEE binary16: half the bytes, 11 significant bits, finite up to 65504. Products are computed in floats, so a
/// checkpoint stored in binary16 gives the same bits as in f32.
struct f16 {
    using element = std::uint16_t;
    static constexpr const char* name = "f16";
    /// Bits that are all set in NaN and infinity, and in nothing else.
    static constexpr std::uint16_t exponent = 0x7c00u;

    /// Returns the nearest one; ties to even, values out of range become the largest.
    static constexpr element encode(float weight) noexcept { return float_to_f16(weight); }
    static constexpr float decode(element stored) noexcept { return f16_to_float(stored); }
    static constexpr std::size_t place(std::size_t row) noexcept { return row; }
};

/// A format that stores each weight separately.
template <class Format>
concept element_format = requires { typename Format::element; };

}}  // namespace earlyout::EARLYOUT_ABI

#endif
