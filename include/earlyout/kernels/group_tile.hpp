// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_GROUP_TILE_HPP
#define EARLYOUT_KERNELS_GROUP_TILE_HPP

#include <earlyout/kernels/byte_dot.hpp>
#include <earlyout/kernels/group_chunk.hpp>
#include <earlyout/kernels/multiply.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Returns the four values of a token that are multiplied with four inputs' codes, in every lane.
template <class Arch>
[[nodiscard]] EARLYOUT_ALWAYS_INLINE int_batch<Arch> four_values(const std::int8_t* values) noexcept {
    std::int32_t bytes;
    std::memcpy(&bytes, values, sizeof bytes);
    return int_batch<Arch>(bytes);
}

/// Adds one span's exact sums to a token's: sum += exact (scale token_scale) + minimum token_minimum.
template <class Arch, bool HasMinimum, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void add_span(const int_batch<Arch> (&exact)[Parts], const float_batch<Arch> (&scale)[Parts],
                                     const float_batch<Arch> (&minimum)[Parts], float token_scale, float token_minimum,
                                     float_batch<Arch> (&sum)[Parts]) noexcept {
    using batch = float_batch<Arch>;
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts; ++p) {
        sum[p] = multiply_add<Arch>(xsimd::to_float(exact[p]), scale[p] * batch(token_scale), sum[p]);
        if constexpr (HasMinimum) sum[p] = multiply_add<Arch>(minimum[p], batch(token_minimum), sum[p]);
    }
}

/// What a format's products depend on beside its codes and scales.
template <class Format>
struct group_traits {
    static constexpr std::size_t spans = group_size / Format::layout.span;  ///< of a group
    static constexpr int sign = Format::layout.offset;                      ///< of the minimum
    static constexpr bool is_small = max_code<Format> <= 127;
};

/// The shape of a tile of several tokens: two registers of rows, and as many tokens as keep their sums, total and of
/// the current span, in registers.
template <class Arch>
struct group_tile {
    static constexpr std::size_t parts = 2;
    static constexpr std::size_t rows = parts * lanes<Arch>;
    static constexpr std::size_t tokens = std::max<std::size_t>(1, sum_registers<Arch> / (2 * parts));
};

/// Adds `groups` groups of a chunk to the sums of `Tokens` tokens and a tile's rows.
/// @param x    the first of those groups in the first token's row
/// @param row  first row of the tile in the panel
/// @param sums [tokens][32 rows]; not read if `begin`
template <class Arch, std::size_t Tokens, std::size_t Spans, int Sign, bool Small>
inline void multiply_chunk_tile(const group_chunk& chunk, std::size_t row, std::size_t groups, int zero,
                                look_ahead ahead, const quantized_view& x, bool begin, float* sums) noexcept {
    using batch = float_batch<Arch>;
    using ints = int_batch<Arch>;
    constexpr std::size_t parts = group_tile<Arch>::parts, fours = group_size / 4 / Spans, w = lanes<Arch>;
    batch sum[Tokens][parts];
    EARLYOUT_UNROLL(16)
    for (std::size_t t = 0; t < Tokens; ++t) {
        EARLYOUT_UNROLL(16)
        for (std::size_t p = 0; p < parts; ++p) {
            sum[t][p] = begin ? batch(0.0f) : batch::load_aligned(sums + t * panel_rows + row + p * w);
        }
    }
    const std::uint8_t* codes = chunk.codes + row * 4;
    for (std::size_t g = 0; g < groups; ++g, codes += chunk.stride) {
        const std::int8_t* const values = x.codes + g * group_size;
        EARLYOUT_UNROLL(2)
        for (std::size_t s = 0; s < Spans; ++s) {
            std::int32_t token_sums[Tokens];
            ints exact[Tokens][parts];
            EARLYOUT_UNROLL(16)
            for (std::size_t t = 0; t < Tokens; ++t) {
                const std::int32_t* const halves = x.sums + 2 * (t * x.groups + g);
                token_sums[t] = Spans == 2 ? halves[s] : halves[0] + halves[1];
                EARLYOUT_UNROLL(16)
                for (ints& part : exact[t]) part = ints(-zero * token_sums[t]);
            }
            EARLYOUT_UNROLL(16)
            for (std::size_t four = s * fours; four < (s + 1) * fours; ++four) {
                ahead.line(g * (group_size / 4) + four);
                const auto* const words = reinterpret_cast<const std::int32_t*>(codes + four * panel_rows * 4);
                ints column[parts];
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < parts; ++p) column[p] = ints::load_unaligned(words + p * w);
                EARLYOUT_UNROLL(16)
                for (std::size_t t = 0; t < Tokens; ++t) {
                    const ints value = four_values<Arch>(values + t * x.groups * group_size + 4 * four);
                    EARLYOUT_UNROLL(16)
                    for (std::size_t p = 0; p < parts; ++p) {
                        exact[t][p] = byte_dot<Arch, Small>(column[p], value, exact[t][p]);
                    }
                }
            }
            batch scale[parts], minimum[parts];
            EARLYOUT_UNROLL(16)
            for (std::size_t p = 0; p < parts; ++p) {
                const std::size_t at = (g * Spans + s) * panel_rows + row + p * w;
                scale[p] = batch::load_aligned(chunk.scales + at);
                if constexpr (Sign != 0) minimum[p] = batch::load_aligned(chunk.minimums + at);
            }
            EARLYOUT_UNROLL(16)
            for (std::size_t t = 0; t < Tokens; ++t) {
                const float token_scale = x.scales[t * x.groups + g];
                add_span<Arch, Sign != 0>(exact[t], scale, minimum, token_scale,
                                          token_scale * static_cast<float>(Sign * token_sums[t]), sum[t]);
            }
        }
    }
    EARLYOUT_UNROLL(16)
    for (std::size_t t = 0; t < Tokens; ++t) {
        EARLYOUT_UNROLL(16)
        for (std::size_t p = 0; p < parts; ++p) sum[t][p].store_aligned(sums + t * panel_rows + row + p * w);
    }
}

/// Tiles of 1 .. group_tile<Arch>::tokens tokens.
template <class Arch, std::size_t Spans, int Sign, bool Small>
inline constexpr auto chunk_tiles = []<std::size_t... T>(std::index_sequence<T...>) {
    using tile = void (*)(const group_chunk&, std::size_t, std::size_t, int, look_ahead, const quantized_view&, bool,
                          float*) noexcept;
    return std::array<tile, sizeof...(T)>{&multiply_chunk_tile<Arch, T + 1, Spans, Sign, Small>...};
}(std::make_index_sequence<group_tile<Arch>::tokens>{});

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
