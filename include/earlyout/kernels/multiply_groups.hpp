// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_MULTIPLY_GROUPS_HPP
#define EARLYOUT_KERNELS_MULTIPLY_GROUPS_HPP

#include <earlyout/kernels/byte_dot.hpp>
#include <earlyout/kernels/group_chunk.hpp>
#include <earlyout/kernels/half.hpp>
#include <earlyout/kernels/multiply.hpp>
#include <earlyout/kernels/multiply_groups_matrix.hpp>
#include <earlyout/kernels/packing_groups.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

/// @file Products with group formats. A span's sum is exact in integers; spans are added in order with one fused
/// operation each for scale and minimum, whatever the number of tokens, so that a value does not depend on its
/// neighbours. One token reads the codes as they are stored; several share a chunk of unpacked ones, in a tile that is
/// the same for all formats.

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

/// Computes one token's y = W x for one panel.
/// @param x one token
template <class Arch, class Format, class Depth>
inline void multiply_groups_token(const std::uint8_t* panel, const quantized_view& x, Depth depth, const float* bias,
                                  float* y, std::size_t rows) noexcept {
    using batch = float_batch<Arch>;
    using ints = int_batch<Arch>;
    using matrix = packed_matrix<Format>;
    using traits = group_traits<Format>;
    constexpr block_layout layout = Format::layout;
    constexpr std::size_t parts = panel_rows / lanes<Arch>, fours = group_size / 4 / traits::spans;
    const std::size_t in = depth, groups = (in + layout.values - 1) / layout.values * layout.groups();
    const stream_prefetch stream;
    batch sum[parts];
    EARLYOUT_UNROLL(16)
    for (batch& part : sum) part = batch(0.0f);
    for (std::size_t first = 0; first < groups; first += layout.groups(), panel += matrix::block_bytes) {
        for (std::size_t g = 0; g < layout.groups(); ++g) {
            const std::uint8_t* const codes = panel + matrix::header_bytes + g * matrix::group_bytes;
            const std::int8_t* const values = x.codes + (first + g) * group_size;
            const std::int32_t* const halves = x.sums + 2 * (first + g);
            stream.after<matrix::block_bytes / layout.groups()>(codes);
            EARLYOUT_UNROLL(2)
            for (std::size_t s = 0; s < traits::spans; ++s) {
                const std::int32_t token_sum = traits::spans == 2 ? halves[s] : halves[0] + halves[1];
                ints exact[parts];
                EARLYOUT_UNROLL(16)
                for (ints& part : exact) part = ints(-Format::zero * token_sum);
                EARLYOUT_UNROLL(16)
                for (std::size_t four = s * fours; four < (s + 1) * fours; ++four) {
                    ints column[parts];
                    load_codes<Format, Arch>(codes, four, column);
                    const ints value = four_values<Arch>(values + 4 * four);
                    EARLYOUT_UNROLL(16)
                    for (std::size_t p = 0; p < parts; ++p) {
                        exact[p] = byte_dot<Arch, traits::is_small>(column[p], value, exact[p]);
                    }
                }
                batch scale[parts], minimum[parts];
                load_scales<Format, Arch>(panel, g * traits::spans + s, scale, minimum);
                const float token_scale = x.scales[first + g];
                add_span<Arch, traits::sign != 0>(exact, scale, minimum, token_scale,
                                                  token_scale * static_cast<float>(traits::sign * token_sum), sum);
            }
        }
    }
    store_rows<Arch>(sum, bias, y, rows);
}

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

/// multiply() for several tokens.
template <class Arch, group_format Format>
void multiply_groups_tokens(const packed_matrix<Format>& weights, const quantized_view& x, const float* bias,
                            matrix_view<float> y, std::size_t first_panel, std::size_t last_panel,
                            std::size_t first_column) noexcept {
    using traits = group_traits<Format>;
    using tile = group_tile<Arch>;
    constexpr auto &tiles = chunk_tiles < Arch, traits::spans, traits::sign,
                   traits::is_small && has_byte_dot_small < Arch >>
        ;
    constexpr std::size_t max_tokens = 16 * tile::tokens;
    constexpr std::size_t block_groups = Format::layout.groups();
    chunk_memory<Arch, Format> memory;
    alignas(64) float sums[max_tokens][panel_rows];
    const std::size_t blocks = weights.blocks();
    for (std::size_t at = 0; at < x.rows(); at += max_tokens) {
        const std::size_t tokens = std::min(max_tokens, x.rows() - at);
        const std::size_t turns = (tokens + tile::tokens - 1) / tile::tokens * (panel_rows / tile::rows);
        for (std::size_t panel = first_panel; panel < last_panel; ++panel) {
            for (std::size_t b = 0; b < blocks; b += memory.blocks) {
                const std::size_t count = std::min(memory.blocks, blocks - b),
                                  steps = count * group_size / 4 * block_groups;
                const std::uint8_t* const from = weights.panel(panel) + b * weights.block_bytes;
                const group_chunk chunk = memory.unpack(from, count);
                // Prefetches what is unpacked next.
                look_ahead ahead(from + count * weights.block_bytes, count * weights.block_bytes / (steps * turns) + 1);
                for (std::size_t t = 0; t < tokens; t += tile::tokens) {
                    const std::size_t some = std::min(tile::tokens, tokens - t);
                    const quantized_view part = x.rows(at + t, some).from_group(b * block_groups);
                    for (std::size_t row = 0; row < panel_rows; row += tile::rows) {
                        tiles[some - 1](chunk, row, count * block_groups, Format::zero, ahead, part, b == 0, sums[t]);
                        ahead.skip(steps);
                    }
                }
            }
            const std::size_t first_row = panel * panel_rows;
            const std::size_t rows = std::min(panel_rows, weights.out() - first_row);
            for (std::size_t t = 0; t < tokens; ++t) {
                float_batch<Arch> sum[panel_rows / lanes<Arch>];
                load_contiguous<Arch>(f32{}, sums[t], sum);
                store_rows<Arch>(sum, bias == nullptr ? nullptr : bias + first_row,
                                 y.row(at + t) + (first_row - first_column), rows);
            }
        }
    }
}

/// Computes y = x Wᵀ + bias for the panels first_panel .. last_panel - 1 of weights in a group format; see multiply().
/// @param x [tokens, in], rounded
template <class Arch = default_arch, group_format Format, class Depth>
void multiply(const packed_matrix<Format>& weights, quantized_view x, Depth depth, const float* bias,
              matrix_view<float> y, std::size_t first_panel, std::size_t last_panel, Arch = {},
              std::size_t first_column = 0) noexcept {
    if constexpr (matrix_unit_of<Arch>::is_there) {
        using unit = matrix_unit_of<Arch>;
        if (const std::size_t many = worth_matrix_unit<unit>(x.rows()); many != 0 && unit::is_permitted()) {
            multiply_groups_matrix<Arch, unit>(weights, x.rows(0, many), bias, y.rows(0, many), first_panel, last_panel,
                                               first_column);
            x = x.rows(many, x.rows() - many);
            y = y.rows(many, y.rows() - many);
        }
    }
    if (x.rows() == 1) {
        for (std::size_t panel = first_panel; panel < last_panel; ++panel) {
            const std::size_t row = panel * panel_rows;
            multiply_groups_token<Arch, Format>(weights.panel(panel), x, depth, bias == nullptr ? nullptr : bias + row,
                                                y.row(0) + (row - first_column),
                                                std::min(panel_rows, weights.out() - row));
        }
    } else if (x.rows() > 1) {
        multiply_groups_tokens<Arch>(weights, x, bias, y, first_panel, last_panel, first_column);
    }
}

#define EARLYOUT_DETAIL_MULTIPLY(Format)                                                                       \
    EARLYOUT_DETAIL_KERNEL(void multiply(const packed_matrix<Format>&, quantized_view, extent<>, const float*, \
                                         matrix_view<float>, std::size_t, std::size_t, default_arch,           \
                                         std::size_t) noexcept)
EARLYOUT_DETAIL_MULTIPLY(int8);
EARLYOUT_DETAIL_MULTIPLY(int4);
EARLYOUT_DETAIL_MULTIPLY(q4_1);
EARLYOUT_DETAIL_MULTIPLY(q5_0);
EARLYOUT_DETAIL_MULTIPLY(q5_1);
EARLYOUT_DETAIL_MULTIPLY(q2_k);
EARLYOUT_DETAIL_MULTIPLY(q3_k);
EARLYOUT_DETAIL_MULTIPLY(q4_k);
EARLYOUT_DETAIL_MULTIPLY(q5_k);
EARLYOUT_DETAIL_MULTIPLY(q6_k);
EARLYOUT_DETAIL_MULTIPLY(iq4_nl);
EARLYOUT_DETAIL_MULTIPLY(iq4_xs);
EARLYOUT_DETAIL_MULTIPLY(mxfp4);
#undef EARLYOUT_DETAIL_MULTIPLY

/// Rounds activations into `scratch`.
template <class ForRows>
[[nodiscard]] quantized_view round_rows(matrix_view<const float> x, quantized_rows& scratch, ForRows for_rows) {
    for_rows(x.rows(), [&](std::size_t begin, std::size_t end) {
        for (std::size_t t = begin; t < end; ++t) scratch.set_row(t, x.row(t), x.cols());
    });
    return scratch.view(x.rows(), x.cols());
}

/// Returns activations in the form that products with these weights read: unchanged, or rounded into `scratch`.
/// @param x        [tokens, in]
/// @param for_rows for_rows(n, body) calls body(begin, end) on ranges that make up [0, n), on any threads
template <class Format, class ForRows>
[[nodiscard]] auto prepare(const packed_matrix<Format>&, matrix_view<const float> x, quantized_rows& scratch,
                           ForRows for_rows) {
    if constexpr (group_format<Format>) {
        return round_rows(x, scratch, for_rows);
    } else {
        return x;
    }
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
