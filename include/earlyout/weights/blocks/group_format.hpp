// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_GROUP_FORMAT_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_GROUP_FORMAT_HPP

#include <earlyout/core/dtype.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Inputs of a row that are multiplied together: activations have a scale for each group, and weights of these formats
/// one for each group or for each half of it.
inline constexpr std::size_t group_size = 32;

/// Where a block keeps what its weights are computed from, beside their codes. Weight i of a block is
///     factor scale(i / span) (code(i) - zero) + offset minimum_factor minimum(i / span)
/// with scale and minimum 1 where the block has no bytes for them, and values[code(i)] in the place of code(i) - zero
/// where the format has a table.
struct block_layout {
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    std::size_t values = 0;                 ///< weights of a block
    std::size_t span = 0;                   ///< weights that share a scale: 16 or 32
    std::size_t factor = none;              ///< where the binary16 factor of scales is
    std::size_t minimum_factor = none;      ///< and that of minimums
    std::size_t first_byte = 0, bytes = 0;  ///< where the bytes that hold scales and minimums are
    int offset = 0;                         ///< sign of the minimum; 0: there is none
    bool is_exponent = false;               ///< scale() returns the bits of twice the scale

    [[nodiscard]] constexpr std::size_t factor_count() const noexcept {
        return (factor != none ? 1u : 0u) + (minimum_factor != none ? 1u : 0u);
    }
    /// Returns where factor number `index` is: that of scales, that of minimums.
    [[nodiscard]] constexpr std::size_t factor_at(std::size_t index) const noexcept {
        return index == 0 ? factor : minimum_factor;
    }
    [[nodiscard]] constexpr std::size_t spans() const noexcept { return values / span; }
    [[nodiscard]] constexpr std::size_t groups() const noexcept { return values / group_size; }
};

/// The values of 4-bit codes that are not evenly spaced.
using code_values = std::array<std::int8_t, 16>;

/// A weight format that stores rows in blocks of codes with scales, as llama.cpp's block types. One is a tag with
///     name, stored (its dtype), layout
///     bits                   bits of a code
///     zero                   codes (or values, where there is a table) are multiplied as code + zero, not negative
///     values                 only formats with a table
///     code(block, i)         code of weight i, 0 .. 2^bits - 1; code<four_codes>(block, i), those of weights i to
///                            i + 3, for i a multiple of 4; set_code(block, i, code)
///     scale(span, byte)      the scale of a span, from byte(i), byte i of the block's `bytes`: integers, one or a
///     minimum(span, byte)    register of them; set_scale, set_minimum, max_scale, min_scale to write them
/// One file each beside this one.
template <class Format>
concept group_format = requires {
    { Format::layout.values } -> std::convertible_to<std::size_t>;
    Format::zero;
};

/// True for formats whose codes are looked up.
template <class Format>
inline constexpr bool has_values = requires { Format::values; };

/// Four codes, one in each byte.
using four_codes = std::uint32_t;

namespace detail {

/// IQ4_NL's and IQ4_XS's, from llama.cpp's ggml-common.h.
inline constexpr code_values uneven_values{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

[[nodiscard]] constexpr int byte_at(const std::byte* from, std::size_t index) noexcept {
    return std::to_integer<int>(from[index]);
}
[[nodiscard]] inline std::uint16_t half_bits(const std::byte* from) noexcept {
    std::uint16_t bits;
    std::memcpy(&bits, from, sizeof bits);
    return bits;
}

/// Returns a number as a code, or as each of four.
template <class Codes>
[[nodiscard]] constexpr Codes in_each_code(unsigned value) noexcept {
    return static_cast<Codes>(std::is_same_v<Codes, four_codes> ? value * 0x01010101u : value);
}
/// Returns field number `index` of `bits` bits (1, 2, 4 or 8) of consecutive bytes, lowest bits first; as four codes,
/// the fields at that place in each of four neighbouring bytes.
template <class Codes = int>
[[nodiscard]] constexpr Codes field(const std::byte* from, std::size_t index, unsigned bits) noexcept {
    const std::size_t at = index * bits;
    if constexpr (std::is_same_v<Codes, four_codes>) {
        four_codes held;
        std::memcpy(&held, from + at / 8, sizeof held);
        return held >> (at % 8) & in_each_code<Codes>((1u << bits) - 1u);
    } else {
        return byte_at(from, at / 8) >> (at % 8) & ((1 << bits) - 1);
    }
}
/// Returns bit number `index` of consecutive bytes; as four codes, bits `index` to `index` + 3.
template <class Codes = int>
[[nodiscard]] constexpr Codes bit(const std::byte* from, std::size_t index) noexcept {
    const int found = byte_at(from, index / 8) >> (index % 8);
    if constexpr (std::is_same_v<Codes, four_codes>) {
        // The product's copies of the four bits do not overlap: bit i comes to bit 8 i.
        return (static_cast<four_codes>(found) & 15u) * 0x00204081u & in_each_code<Codes>(1);
    } else {
        return found & 1;
    }
}
constexpr void set_field(std::byte* to, std::size_t index, unsigned bits, int value) noexcept {
    const std::size_t at = index * bits;
    const auto mask = static_cast<std::byte>(((1 << bits) - 1) << (at % 8));
    to[at / 8] = (to[at / 8] & ~mask) | (static_cast<std::byte>(value << (at % 8)) & mask);
}

/// 16 bytes with 32 codes: code i in the lower half of byte i, code i + 16 in the upper.
template <class Codes = int>
[[nodiscard]] constexpr Codes nibble_of_32(const std::byte* from, std::size_t i) noexcept {
    return field<Codes>(from + i % 16, i / 16, 4);
}
constexpr void set_nibble_of_32(std::byte* to, std::size_t i, int code) noexcept {
    set_field(to + i % 16, i / 16, 4, code);
}
/// The codes of a format that has them so in a block of 32, from byte `At` on.
template <std::size_t At>
struct codes_of_4_bits {
    template <class Codes = int>
    static constexpr Codes code(const std::byte* block, std::size_t i) noexcept {
        return nibble_of_32<Codes>(block + At, i);
    }
    static constexpr void set_code(std::byte* block, std::size_t i, int code) noexcept {
        set_nibble_of_32(block + At, i, code);
    }
};
/// The same with fifth bits: a 32-bit word from byte `At` on, the lower bits behind it.
template <std::size_t At>
struct codes_of_5_bits {
    template <class Codes = int>
    static constexpr Codes code(const std::byte* block, std::size_t i) noexcept {
        return nibble_of_32<Codes>(block + At + 4, i) | bit<Codes>(block + At, i) << 4;
    }
    static constexpr void set_code(std::byte* block, std::size_t i, int code) noexcept {
        set_nibble_of_32(block + At + 4, i, code & 15);
        set_field(block + At, i, 1, code >> 4);
    }
};
/// 32 bytes for each 64 codes: code i in the lower half of byte i, code i + 32 in the upper.
template <class Codes = int>
[[nodiscard]] constexpr Codes nibble_of_64(const std::byte* from, std::size_t i) noexcept {
    return field<Codes>(from + i / 64 * 32 + i % 32, i % 64 / 32, 4);
}
constexpr void set_nibble_of_64(std::byte* to, std::size_t i, int code) noexcept {
    set_field(to + i / 64 * 32 + i % 32, i % 64 / 32, 4, code);
}

/// Returns a byte's value as a signed one; one or a register of them.
template <class Integer>
[[nodiscard]] constexpr Integer signed_byte(const Integer& byte) noexcept {
    return (byte ^ Integer(128)) - Integer(128);
}

/// The 12 bytes of Q4_K and Q5_K, 6-bit scales and minimums of 8 spans. Spans 0 to 3 use the lower six bits of bytes
/// span and span + 4; spans 4 to 7 four bits each of byte span + 4 and, as upper two, what those bytes leave.
struct packed_scales_of_8 {
    static constexpr block_layout layout{
        .values = 256, .span = 32, .factor = 0, .minimum_factor = 2, .first_byte = 4, .bytes = 12, .offset = -1};
    template <class Byte>
    static constexpr auto scale(std::size_t span, Byte byte) noexcept {
        using integer = decltype(byte(span));
        if (span < 4) return byte(span) & integer(63);
        return (byte(span + 4) & integer(15)) | (byte(span - 4) >> 6) << 4;
    }
    template <class Byte>
    static constexpr auto minimum(std::size_t span, Byte byte) noexcept {
        using integer = decltype(byte(span));
        if (span < 4) return byte(span + 4) & integer(63);
        return byte(span + 4) >> 4 | (byte(span) >> 6) << 4;
    }
    static constexpr int max_scale = 63;
    static constexpr int min_scale = 0;
    static constexpr void set_scale(std::byte* block, std::size_t span, int scale) noexcept {
        set(block + 4, span, 0, scale);
    }
    static constexpr void set_minimum(std::byte* block, std::size_t span, int minimum) noexcept {
        set(block + 4, span, 1, minimum);
    }

private:
    static constexpr void set(std::byte* bytes, std::size_t span, std::size_t which, int value) noexcept {
        std::byte* const own = bytes + 4 * which + span % 4;  // six bits for spans 0 to 3, the upper two for the others
        if (span < 4) {
            *own = (*own & std::byte{0xc0}) | static_cast<std::byte>(value);
        } else {
            set_field(bytes + 4 + span, which, 4, value & 15);
            set_field(own, 3, 2, value >> 4);
        }
    }
};

/// Scale and minimum of a span, with their factors.
struct span_scale {
    float scale = 0.0f;
    float offset = 0.0f;  ///< added to each weight
};

/// Computes a span's scale from its block's two factors and bytes. Both products are exact.
/// @param byte byte(i), byte i of the block's bytes
template <class Format, class Byte>
[[nodiscard]] constexpr span_scale scale_of(const float (&factor)[2], std::size_t span, Byte byte) noexcept {
    constexpr block_layout layout = Format::layout;
    span_scale made{factor[0], static_cast<float>(layout.offset) * factor[1]};
    if constexpr (layout.is_exponent) {
        made.scale = 0.5f * std::bit_cast<float>(Format::scale(span, byte));
    } else if constexpr (layout.bytes != 0) {
        made.scale *= static_cast<float>(Format::scale(span, byte));
        if constexpr (layout.offset != 0) made.offset *= static_cast<float>(Format::minimum(span, byte));
    }
    return made;
}

/// Returns the integer that a code stands for.
template <class Format>
[[nodiscard]] constexpr int value_of(int code) noexcept {
    if constexpr (has_values<Format>) {
        return Format::values[static_cast<std::size_t>(code)];
    } else {
        return code - Format::zero;
    }
}

/// Decodes one block as stored. Each value is the float nearest to the exact value.
/// @param out [layout.values]
template <class Format>
void decode(const std::byte* block, float* out) noexcept {
    constexpr block_layout layout = Format::layout;
    float factor[2] = {1.0f, 1.0f};
    for (std::size_t f = 0; f < layout.factor_count(); ++f)
        factor[f] = f16_to_float(half_bits(block + layout.factor_at(f)));
    for (std::size_t span = 0; span < layout.spans(); ++span) {
        const span_scale s =
            scale_of<Format>(factor, span, [&](std::size_t i) { return byte_at(block, layout.first_byte + i); });
        for (std::size_t i = span * layout.span; i < (span + 1) * layout.span; ++i) {
            out[i] = s.scale * static_cast<float>(value_of<Format>(Format::code(block, i)));
            if constexpr (layout.offset != 0) out[i] += s.offset;
        }
    }
}

/// Returns true if all weights of a block are finite.
template <class Format>
[[nodiscard]] bool is_finite(const std::byte* block) noexcept {
    constexpr block_layout layout = Format::layout;
    if (layout.is_exponent && byte_at(block, layout.first_byte) == 0xff) return false;
    for (std::size_t f = 0; f < layout.factor_count(); ++f) {
        if ((half_bits(block + layout.factor_at(f)) & 0x7c00) == 0x7c00) return false;
    }
    return true;
}

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
