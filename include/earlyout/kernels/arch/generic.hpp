// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_GENERIC_HPP
#define EARLYOUT_KERNELS_ARCH_GENERIC_HPP

#include <earlyout/core/platform.hpp>

EARLYOUT_DETAIL_FOREIGN_BEGIN
#include <xsimd/xsimd.hpp>
EARLYOUT_DETAIL_FOREIGN_END

#include <cstddef>
#include <cstdint>
#include <cstring>

/// @file The operations that kernels need of an instruction set, in portable code: the functions that the other files
/// of this folder overload. all.hpp explains how to add an instruction set.

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The widest instruction set this translation unit may use. Kernels take it as an arch tag, so that a
/// test can run each of them on every narrower set too.
using default_arch = xsimd::default_arch;

/// A register of floats.
template <class Arch>
using float_batch = xsimd::batch<float, Arch>;

namespace kernels {

/// A register of 32-bit integers, each also seen as four bytes.
template <class Arch>
using int_batch = xsimd::batch<std::int32_t, Arch>;

/// A register of 32-bit words.
template <class Arch>
using word_batch = xsimd::batch<std::uint32_t, Arch>;

/// Floats per register.
template <class Arch>
inline constexpr std::size_t lanes = float_batch<Arch>::size;

namespace arch {

/// The last parameter of an overload for `Arch` and the tags derived from it.
template <class Arch>
using requires_arch = const Arch&;

/// The last parameter of an overload for every instruction set: any other matching overload is preferred.
struct any_arch {
    template <class Arch>
    // NOLINTNEXTLINE(google-explicit-constructor): converts from every tag
    constexpr any_arch(const Arch&) noexcept {}
};

/// Maps an instruction set to its extension of number `Step` if xsimd has no tag for that: a tag derived from `Arch` if
/// the extension belongs to it and is compiled in. Steps are applied in order from 1 to 3.
template <int Step, class Arch>
struct extension {
    using tag = Arch;
};

/// Returns the number of vector registers.
constexpr std::size_t vector_registers(any_arch) noexcept { return 16; }

/// The tile of a product of several tokens with a group format.
struct group_tile_shape {
    std::size_t parts;   ///< registers of rows
    std::size_t tokens;  ///< at most
    bool keeps_sums;     ///< in registers; else they are in memory, and registers hold those of a span alone
};

/// Returns that shape for an instruction set with `registers` of them for sums.
constexpr group_tile_shape shape_of_group_tile(std::size_t sum_registers, any_arch) noexcept {
    return {2, sum_registers < 8 ? 1 : sum_registers / 4, true};
}

/// Returns x * y + z, fused where the instruction set supports it.
template <class Arch>
EARLYOUT_ALWAYS_INLINE float_batch<Arch> multiply_add(const float_batch<Arch>& x, const float_batch<Arch>& y,
                                                      const float_batch<Arch>& z, any_arch) noexcept {
    return xsimd::fma(x, y, z);
}

/// Reduces a register's lanes by combining the upper half with the lower one until one lane remains.
template <class Arch, class Op>
EARLYOUT_ALWAYS_INLINE float fold_lanes(const float_batch<Arch>& x, Op op, any_arch) noexcept {
    alignas(64) float values[lanes<Arch>];
    x.store_aligned(values);
    for (std::size_t half = lanes<Arch> / 2; half != 0; half /= 2) {
        for (std::size_t i = 0; i < half; ++i) values[i] = op(values[i], values[i + half]);
    }
    return values[0];
}

/// Loads a register's worth of 16-bit values as 32-bit ones, in order. `from` is aligned to half a register.
template <class Arch>
EARLYOUT_ALWAYS_INLINE word_batch<Arch> load_halves(const std::uint16_t* from, any_arch) noexcept {
    alignas(64) std::uint32_t values[lanes<Arch>];
    for (std::size_t i = 0; i < lanes<Arch>; ++i) values[i] = from[i];
    return word_batch<Arch>::load_aligned(values);
}

/// Loads a register's worth of finite binary16 as floats. `from` is aligned to half a register. Absent if there is no
/// such instruction: kernels::load_f16 then uses integer operations.
template <class Arch>
float_batch<Arch> load_f16(const std::uint16_t* from, any_arch) noexcept = delete;

/// Loads a register's worth of bfloat16 as floats, likewise. Absent where it would be no faster than a shift.
template <class Arch>
float_batch<Arch> load_bf16(const std::uint16_t* from, any_arch) noexcept = delete;

/// Rounds the first `n` or fewer floats to the nearest binary16, ties to even; values out of range become the largest.
/// @return how many were rounded
inline std::size_t encode_f16(const float*, std::size_t, std::uint16_t*, any_arch) noexcept { return 0; }

/// Returns sum + the products of four unsigned bytes of `a` with four signed bytes of `b`, in each 32-bit lane.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b, int_batch<Arch> sum,
                                                any_arch) noexcept {
    using ints = int_batch<Arch>;
    const ints low(0xff);
    sum += (a & low) * ((b << 24) >> 24);
    sum += ((a >> 8) & low) * ((b << 16) >> 24);
    sum += ((a >> 16) & low) * ((b << 8) >> 24);
    return sum + ((a >> 24) & low) * (b >> 24);
}

/// The same for codes up to 127, whose products in pairs fit into 16 bits. Absent where it would be no faster.
template <class Arch>
int_batch<Arch> byte_dot_small(const int_batch<Arch>& a, const int_batch<Arch>& b, const int_batch<Arch>& sum,
                               any_arch) noexcept = delete;

/// The same with signed bytes of `a`, of which two products fit into 16 bits where no byte of `b` is -128. Absent where
/// unsigned ones take no longer.
template <class Arch, class B>
int_batch<Arch> byte_dot_signed(const int_batch<Arch>& a, const B& b, const int_batch<Arch>& sum,
                                any_arch) noexcept = delete;

/// Returns 16 values of a token in the form that four_values() reads.
inline const std::int8_t* hold_values(const std::int8_t* values, any_arch) noexcept { return values; }

/// Returns values 4 four .. 4 four + 3 as byte products take them: in every lane.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> four_values(const std::int8_t* values, std::size_t four, any_arch) noexcept {
    std::int32_t bytes;
    std::memcpy(&bytes, values + 4 * four, sizeof bytes);
    return int_batch<Arch>(bytes);
}

/// Returns the fields of `width` bits that begin with bit `from` of each byte, moved to bit `to`, other bits zero.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> move_field(const int_batch<Arch>& held, int from, int to, int width,
                                                  any_arch) noexcept {
    const int_batch<Arch> bits(static_cast<std::int32_t>((((1u << width) - 1u) << to) * 0x01010101u));
    return (to > from ? held << (to - from) : to < from ? held >> (from - to) : held) & bits;
}

/// Returns `into`, of which these bits are zero, with fields moved there.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> insert_field(const int_batch<Arch>& into, const int_batch<Arch>& held, int from,
                                                    int to, int width, any_arch tag) noexcept {
    return into | move_field<Arch>(held, from, to, width, tag);
}

/// Returns two fours of a register's rows as eights: of the lower half of the rows, of the upper. This and the
/// following: where an instruction multiplies two rows of eight bytes with two tokens'.
template <class Arch>
void join_fours(const int_batch<Arch>& four, const int_batch<Arch>& next, int_batch<Arch> (&eights)[2],
                any_arch) noexcept = delete;

/// Loads 16 values of each of two tokens as eights: the first of both tokens, then the second.
template <class Arch>
void load_two_tokens(const std::int8_t* first, const std::int8_t* second, int_batch<Arch> (&eights)[2],
                     any_arch) noexcept = delete;

/// Returns a register of two numbers in turns.
template <class Arch>
int_batch<Arch> alternate(std::int32_t first, std::int32_t second, any_arch) noexcept = delete;

/// Returns sum + the products of two rows' eight unsigned bytes with two tokens' signed ones: [2 rows][2 tokens].
template <class Arch>
int_batch<Arch> multiply_eights(const int_batch<Arch>& rows, const int_batch<Arch>& tokens, const int_batch<Arch>& sum,
                                any_arch) noexcept = delete;

/// Separates such sums of a register's rows by token.
template <class Arch>
void separate_tokens(const int_batch<Arch>& lower_rows, const int_batch<Arch>& upper_rows, int_batch<Arch> (&tokens)[2],
                     any_arch) noexcept = delete;

/// Returns words as pair_dot() multiplies them with a word that is the same in every lane.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> split_pairs(const int_batch<Arch>& pairs, any_arch) noexcept {
    return pairs;
}

/// Returns sum + the products of the two signed 16-bit halves of `a` with those of `b`, in each 32-bit lane.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> pair_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, any_arch) noexcept {
    return sum + ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
}

/// Loads two signed bytes per 32-bit lane as 16-bit halves, in order.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_byte_pairs(const std::int8_t* from, any_arch) noexcept {
    alignas(64) std::int32_t values[lanes<Arch>];
    for (std::size_t i = 0; i < lanes<Arch>; ++i) {
        values[i] = static_cast<std::int32_t>(static_cast<std::uint16_t>(from[2 * i]) |
                                              static_cast<std::uint32_t>(from[2 * i + 1]) << 16);
    }
    return int_batch<Arch>::load_aligned(values);
}

/// Loads a register's worth of unsigned bytes as 32-bit integers, in order.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_bytes(const std::uint8_t* from, any_arch) noexcept {
    alignas(64) std::int32_t values[lanes<Arch>];
    for (std::size_t i = 0; i < lanes<Arch>; ++i) values[i] = from[i];
    return int_batch<Arch>::load_aligned(values);
}

/// Loads the bytes of `Parts` registers' lanes in a form that has the operators of an integer, modulo 256, and converts
/// to floats those that are signed. Absent where integers of 32 bits would take no longer.
template <class Arch, std::size_t Parts>
void load_byte_integers(const std::uint8_t* from, any_arch) noexcept = delete;

/// Returns table[i] for each byte i (0 .. 15) of a register.
/// @param table [16]
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> look_up(const std::uint8_t* table, const int_batch<Arch>& bytes,
                                               any_arch) noexcept {
    alignas(64) std::int32_t words[lanes<Arch>];
    bytes.store_aligned(words);
    for (std::int32_t& word : words) {
        std::uint32_t found = 0;
        for (unsigned shift = 0; shift < 32; shift += 8) {
            found |= std::uint32_t{table[static_cast<std::uint32_t>(word) >> shift & 15]} << shift;
        }
        word = static_cast<std::int32_t>(found);
    }
    return int_batch<Arch>::load_aligned(words);
}

/// Stores `Parts` registers of integers as bytes (they must fit).
/// @param sums [2], of the first and the second half of the integers
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void store_bytes(const int_batch<Arch> (&from)[Parts], std::int8_t* to, std::int32_t* sums,
                                        any_arch) noexcept {
    constexpr std::size_t count = Parts * lanes<Arch>;
    alignas(64) std::int32_t values[count];
    for (std::size_t p = 0; p < Parts; ++p) from[p].store_aligned(values + p * lanes<Arch>);
    for (std::size_t half = 0; half < 2; ++half) {
        std::int32_t sum = 0;
        for (std::size_t i = half * count / 2; i < (half + 1) * count / 2; ++i) {
            to[i] = static_cast<std::int8_t>(values[i]);
            sum += values[i];
        }
        sums[half] = sum;
    }
}

/// Products of small byte matrices in dedicated registers. Available units provide what amx_unit has.
struct no_matrix_unit {
    static constexpr bool is_there = false;
};
constexpr no_matrix_unit matrix_unit(any_arch) noexcept { return {}; }

}  // namespace arch
}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
