// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_CODE_PLANES_HPP
#define EARLYOUT_KERNELS_CODE_PLANES_HPP

#include <earlyout/kernels/byte_dot.hpp>
#include <earlyout/kernels/simd.hpp>
#include <earlyout/weights/blocks/group_format.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

/// @file Where a panel keeps the codes of 32 rows and 32 inputs. Always four inputs of a row are side by side, one in
/// each byte of a 32-bit word, because instructions multiply them so. Codes of 8, 4 and 2 bits are one plane of fields
/// of that width; those of 5, 6 and 3 bits are a plane of 4 or 2 bits with the lower bits and another with the upper
/// ones. Where fields are narrower than a byte, a word holds fields of several rows or of several fours of inputs:
///     8 bits [8 fours][32 rows]              4 bits [8 fours][16 rows], upper field: row + 16
///     2 bits [2][2][16 rows], field: four % 4; indices: row / 16, four / 4
///     1 bit  [2][16 rows],    field: four; index: row / 16

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

namespace detail {

/// A plane of fields of `Width` bits.
template <int Width>
struct code_plane {
    static constexpr std::size_t bytes = panel_rows * group_size * Width / 8;
    /// Distinct words that a row's 32 codes are in.
    static constexpr std::size_t words = Width >= 4 ? 8 : static_cast<std::size_t>(Width);
    static constexpr std::uint32_t mask = 0x01010101u * ((1u << Width) - 1u);

    static constexpr std::size_t word(std::size_t row, std::size_t four) noexcept {
        if constexpr (Width == 8) return four * 32 + row;
        if constexpr (Width == 4) return four * 16 + row % 16;
        if constexpr (Width == 2) return (row / 16 * 2 + four / 4) * 16 + row % 16;
        return row;
    }
    static constexpr std::size_t shift(std::size_t row, std::size_t four) noexcept {
        if constexpr (Width == 8) return 0;
        if constexpr (Width == 4) return row / 16 * 4;
        if constexpr (Width == 2) return four % 4 * 2;
        return four;
    }

    [[nodiscard]] static std::uint32_t load(const std::uint8_t* plane, std::size_t row, std::size_t four) noexcept {
        std::uint32_t found;
        std::memcpy(&found, plane + 4 * word(row, four), sizeof found);
        return found >> shift(row, four) & mask;
    }
    static void store(std::uint8_t* plane, std::size_t row, std::size_t four, std::uint32_t codes) noexcept {
        std::uint8_t* const at = plane + 4 * word(row, four);
        std::uint32_t beside;  // other fields belong to other rows or inputs
        std::memcpy(&beside, at, sizeof beside);
        beside = (beside & ~(mask << shift(row, four))) | (codes & mask) << shift(row, four);
        std::memcpy(at, &beside, sizeof beside);
    }

    /// Adds the fields that begin with bit `From` of codes [8 fours][32 rows] to a plane of zeros; those of whole bytes
    /// replace what was there.
    template <int From, class Arch>
    EARLYOUT_ALWAYS_INLINE static void add(std::uint8_t* plane, const std::int32_t* codes) noexcept {
        using ints = int_batch<Arch>;
        auto* const words_of = reinterpret_cast<std::int32_t*>(plane);
        const ints fields(static_cast<std::int32_t>(mask));
        for (std::size_t four = 0; four < group_size / 4; ++four) {
            EARLYOUT_UNROLL(16)
            for (std::size_t row = 0; row < panel_rows; row += lanes<Arch>) {
                ints held = ints::load_aligned(codes + four * panel_rows + row);
                if constexpr (From != 0) held = held >> From;
                if constexpr (Width != 8) held = (held & fields) << static_cast<int>(shift(row, four));
                std::int32_t* const at = words_of + word(row, four);
                (Width == 8 ? held : ints::load_unaligned(at) | held).store_unaligned(at);
            }
        }
    }

    /// Calls put(part, word, bit) for each register of a four's 32 rows: the word that holds its fields, and the first
    /// bit of those in each byte.
    template <class Arch, std::size_t Parts, class Put>
    EARLYOUT_ALWAYS_INLINE static void for_each_part(const std::uint8_t* plane, std::size_t four, Put put) noexcept {
        const auto* const words_of = reinterpret_cast<const std::int32_t*>(plane);
        EARLYOUT_UNROLL(16)
        for (std::size_t p = 0; p < Parts; ++p) {
            const std::size_t row = p * lanes<Arch>;
            put(p, int_batch<Arch>::load_unaligned(words_of + word(row, four)), static_cast<int>(shift(row, four)));
        }
    }
};

}  // namespace detail

/// The codes of 32 rows and 32 inputs, of `Bits` bits.
template <int Bits>
struct code_planes {
    static constexpr int low = Bits == 8 ? 8 : Bits >= 4 ? 4 : 2;
    using lower = detail::code_plane<low>;
    using upper = detail::code_plane<Bits == low ? 1 : Bits - low>;
    static constexpr bool has_upper = Bits != low;
    static constexpr std::size_t group_bytes = panel_rows * group_size * Bits / 8;
    static constexpr std::size_t words = lower::words + (has_upper ? upper::words : 0);

    /// @param codes [32], of one row
    static void store(std::uint8_t* group, std::size_t row, const std::uint8_t* codes) noexcept {
        for (std::size_t four = 0; four < group_size / 4; ++four) {
            std::uint32_t word;
            std::memcpy(&word, codes + 4 * four, sizeof word);
            set(group, row, four, word);
        }
    }
    /// Stores the codes of all rows.
    /// @param codes [8 fours][32 rows], aligned to a cache line
    template <class Arch = default_arch>
    static void store_rows(std::uint8_t* group, const std::int32_t* codes) noexcept {
        if constexpr (Bits != 8) std::memset(group, 0, group_bytes);
        lower::template add<0, Arch>(group, codes);
        if constexpr (has_upper) upper::template add<low, Arch>(group + lower::bytes, codes);
    }
    static void load(const std::uint8_t* group, std::size_t row, std::uint8_t* codes) noexcept {
        for (std::size_t four = 0; four < group_size / 4; ++four) {
            const std::uint32_t word = get(group, row, four);
            std::memcpy(codes + 4 * four, &word, sizeof word);
        }
    }
    static void copy(const std::uint8_t* from, std::size_t from_row, std::uint8_t* to, std::size_t to_row) noexcept {
        for (std::size_t four = 0; four < group_size / 4; ++four) set(to, to_row, four, get(from, from_row, four));
    }

    /// Loads the codes of inputs 4 four .. 4 four + 3 for the 32 rows, a row's in one 32-bit lane.
    template <class Arch, std::size_t Parts>
    EARLYOUT_ALWAYS_INLINE static void load(const std::uint8_t* group, std::size_t four,
                                            int_batch<Arch> (&codes)[Parts]) noexcept {
        using tag = arch::best<Arch>;
        lower::template for_each_part<Arch, Parts>(
            group, four, [&](std::size_t p, const int_batch<Arch>& held, int bit) EARLYOUT_ALWAYS_INLINE_LAMBDA {
                codes[p] = Bits == 8 ? held : arch::move_field<Arch>(held, bit, 0, low, tag{});
            });
        if constexpr (has_upper) {
            upper::template for_each_part<Arch, Parts>(
                group + lower::bytes, four,
                [&](std::size_t p, const int_batch<Arch>& held, int bit) EARLYOUT_ALWAYS_INLINE_LAMBDA {
                    codes[p] = arch::insert_field<Arch>(codes[p], held, bit, low, Bits - low, tag{});
                });
        }
    }

private:
    static std::uint32_t get(const std::uint8_t* group, std::size_t row, std::size_t four) noexcept {
        std::uint32_t word = lower::load(group, row, four);
        if constexpr (has_upper) word |= upper::load(group + lower::bytes, row, four) << low;
        return word;
    }
    static void set(std::uint8_t* group, std::size_t row, std::size_t four, std::uint32_t word) noexcept {
        lower::store(group, row, four, word);
        if constexpr (has_upper) upper::store(group + lower::bytes, row, four, word >> low);
    }
};

/// Largest code as a byte, or value where there is a table, plus zero.
template <class Format>
inline constexpr int max_code = [] {
    int most = (1 << Format::bits) - 1;
    if constexpr (has_values<Format>) most = Format::zero + *std::ranges::max_element(Format::values);
    return most;
}();

/// How products on an instruction set take a format's codes, as load_codes() returns them.
template <class Format, class Arch>
inline constexpr code_bytes bytes_of_codes = [] {
    if constexpr (has_byte_dot_signed<Arch>) {
        return max_code<Format> <= 127 || has_values<Format> ? code_bytes::small : code_bytes::less_128;
    } else {
        return max_code<Format> <= 127 && has_byte_dot_small<Arch> ? code_bytes::small : code_bytes::any;
    }
}();

/// What products multiply beside the values that codes stand for: `zero`, less 128 where bytes are signed.
template <class Format, class Arch>
inline constexpr int code_zero = Format::zero - (has_byte_dot_signed<Arch> && max_code<Format> > 127 ? 128 : 0);

/// Loads codes as Format's products multiply them: code + zero, or the value of the code, + code_zero.
template <class Format, class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_codes(const std::uint8_t* group, std::size_t four,
                                       int_batch<Arch> (&codes)[Parts]) noexcept {
    code_planes<Format::bits>::template load<Arch>(group, four, codes);
    if constexpr (has_values<Format>) {
        static constexpr auto table = [] {
            std::array<std::uint8_t, 16> made{};
            for (std::size_t i = 0; i < made.size(); ++i) {
                made[i] = static_cast<std::uint8_t>(Format::values[i] + code_zero<Format, Arch>);
            }
            return made;
        }();
        EARLYOUT_UNROLL(16)
        for (std::size_t p = 0; p < Parts; ++p)
            codes[p] = arch::look_up<Arch>(table.data(), codes[p], arch::best<Arch>{});
    }
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
