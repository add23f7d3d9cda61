// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_MULTIPLY_GROUPS_HPP
#define EARLYOUT_KERNELS_MULTIPLY_GROUPS_HPP

#include <earlyout/kernels/group_chunk.hpp>
#include <earlyout/kernels/group_pairs.hpp>
#include <earlyout/kernels/group_tile.hpp>
#include <earlyout/kernels/half.hpp>
#include <earlyout/kernels/multiply.hpp>
#include <earlyout/kernels/multiply_groups_matrix.hpp>
#include <earlyout/kernels/packing_groups.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

/// @file Products with group formats. A span's sum is exact in integers; spans are added in order with one fused
/// operation each for scale and minimum, whatever the number of tokens, so that a value does not depend on its
/// neighbours. One token reads the codes as they are stored; several share a chunk of unpacked ones, in a tile that is
/// the same for all formats.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

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
    constexpr std::size_t some = std::min<std::size_t>(parts, 4);  // scales of all rows would take the sums' registers
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
                token_values<Arch> held;
                EARLYOUT_UNROLL(16)
                for (ints& part : exact) part = ints(-code_zero<Format, Arch> * token_sum);
                EARLYOUT_UNROLL(16)
                for (std::size_t four = s * fours; four < (s + 1) * fours; ++four) {
                    platform::keep_load_order();
                    ints column[parts];
                    load_codes<Format, Arch>(codes, four, column);
                    if (four % 4 == 0) held = token_values<Arch>(values + 4 * four);
                    const auto value = held.four(four % 4);
                    EARLYOUT_UNROLL(16)
                    for (std::size_t p = 0; p < parts; ++p) {
                        exact[p] = byte_dot<Arch, bytes_of_codes<Format, Arch>>(column[p], value, exact[p]);
                    }
                }
                const float token_scale = x.scales[first + g];
                const float token_minimum = token_scale * static_cast<float>(traits::sign * token_sum);
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < parts; p += some) {
                    batch scale[some], minimum[some];
                    load_scales<Format, Arch>(panel, g * traits::spans + s, p * lanes<Arch>, scale, minimum);
                    add_span<Arch, traits::sign != 0>(exact + p, scale, minimum, token_scale, token_minimum, sum + p);
                }
            }
        }
    }
    store_rows<Arch>(sum, bias, y, rows);
}

/// multiply() for several tokens.
template <class Arch, group_format Format>
void multiply_groups_tokens(const packed_matrix<Format>& weights, const quantized_view& x, const float* bias,
                            matrix_view<float> y, std::size_t first_panel, std::size_t last_panel,
                            std::size_t first_column) noexcept {
    using traits = group_traits<Format>;
    using tile = group_tile<Arch>;
    constexpr auto& tiles = chunk_tiles<Arch, traits::spans, traits::sign, bytes_of_codes<Format, Arch>>;
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
                        tiles[some - 1](chunk, row, count * block_groups, code_zero<Format, Arch>, ahead, part, b == 0,
                                        sums[t]);
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
