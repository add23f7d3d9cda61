// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_MULTIPLY_GROUPS_HPP
#define EARLYOUT_KERNELS_MULTIPLY_GROUPS_HPP

#include <earlyout/kernels/byte_dot.hpp>
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

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Tokens whose sums, total and of the current group, one pass over a panel keeps in registers.
template <class Arch>
inline constexpr std::size_t group_tile_tokens =
    std::max<std::size_t>(1, sum_registers<Arch> / (2 * (panel_rows / lanes<Arch>)));

/// Computes `Tokens` rows of y = W x for one panel of int8 or int4 weights. A group's sum is exact; groups are added in
/// order with one fused operation each, so that a value does not depend on its neighbours.
template <class Arch, std::size_t Tokens, class Format, class Depth>
inline void multiply_groups_tile(const std::uint8_t* panel, look_ahead ahead, const quantized_view& x, Depth depth,
                                 const float* bias, float* y, std::size_t y_stride, std::size_t rows) noexcept {
    using batch = float_batch<Arch>;
    using ints = int_batch<Arch>;
    constexpr std::size_t parts = panel_rows / lanes<Arch>;
    const std::size_t groups = quantized_rows::groups(depth);
    batch sum[Tokens][parts];
    EARLYOUT_UNROLL(16)
    for (auto& token : sum) {
        EARLYOUT_UNROLL(16)
        for (auto& part : token) part = batch(0.0f);
    }
    for (std::size_t g = 0; g < groups; ++g) {
        ints exact[Tokens][parts];
        EARLYOUT_UNROLL(16)
        for (std::size_t t = 0; t < Tokens; ++t) {
            const ints offset(-Format::zero * x.sums[t * groups + g]);
            EARLYOUT_UNROLL(16)
            for (auto& part : exact[t]) part = offset;
        }
        const std::uint8_t* code = panel + panel_rows * sizeof(std::uint16_t);
        const std::int8_t* const values = x.codes + g * group_size;
        EARLYOUT_UNROLL(16)
        for (std::size_t four = 0; four < group_size; four += 4) {
            if constexpr (Tokens == group_tile_tokens<Arch> && Tokens > 1) ahead.line(g * (group_size / 4) + four / 4);
            ints column[parts];
            code = load_codes<Arch>(Format{}, code, column);
            EARLYOUT_UNROLL(16)
            for (std::size_t t = 0; t < Tokens; ++t) {
                std::int32_t bytes;
                std::memcpy(&bytes, values + t * groups * group_size + four, sizeof bytes);
                const ints value(bytes);
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < parts; ++p) {
                    exact[t][p] = byte_dot<Arch>(column[p], value, exact[t][p]);
                }
            }
        }
        batch scale[parts];
        load_f16<Arch>(reinterpret_cast<const std::uint16_t*>(panel), scale);
        EARLYOUT_UNROLL(16)
        for (std::size_t t = 0; t < Tokens; ++t) {
            const batch token_scale(x.scales[t * groups + g]);
            EARLYOUT_UNROLL(16)
            for (std::size_t p = 0; p < parts; ++p) {
                sum[t][p] = multiply_add<Arch>(xsimd::to_float(exact[t][p]), scale[p] * token_scale, sum[t][p]);
            }
        }
        panel = code;
    }
    EARLYOUT_UNROLL(16)
    for (std::size_t t = 0; t < Tokens; ++t) store_rows<Arch>(sum[t], bias, y + t * y_stride, rows);
}

/// Computes y = x Wᵀ + bias for the panels first_panel .. last_panel - 1 of int8 or int4 weights; see multiply().
/// @param x [tokens, in], rounded
template <class Arch = default_arch, group_format Format, class Depth>
void multiply(const packed_matrix<Format>& weights, quantized_view x, Depth depth, const float* bias,
              matrix_view<float> y, std::size_t first_panel, std::size_t last_panel, Arch = {},
              std::size_t first_column = 0) noexcept {
    constexpr std::size_t most = group_tile_tokens<Arch>;
    using tile = void (*)(const std::uint8_t*, look_ahead, const quantized_view&, Depth, const float*, float*,
                          std::size_t, std::size_t) noexcept;
    static constexpr auto tiles = []<std::size_t... T>(std::index_sequence<T...>) {
        return std::array<tile, most>{&multiply_groups_tile<Arch, T + 1, Format, Depth>...};
    }(std::make_index_sequence<most>{});
    if constexpr (matrix_unit_of<Arch>::is_there) {
        using unit = matrix_unit_of<Arch>;
        if (const std::size_t many = worth_matrix_unit<unit>(x.rows()); many != 0 && unit::is_permitted()) {
            multiply_groups_matrix<Arch>(weights, x.rows(0, many), bias, y.rows(0, many), first_panel, last_panel,
                                         first_column);
            x = x.rows(many, x.rows() - many);
            y = y.rows(many, y.rows() - many);
        }
    }
    multiply_panels<most>(weights, x, weights.groups() * (group_size / 4), bias, y, first_panel, last_panel,
                          first_column,
                          [&](std::size_t count, const std::uint8_t* panel, look_ahead ahead,
                              const quantized_view& rows, const float* panel_bias, float* out, std::size_t width) {
                              tiles[count - 1](panel, ahead, rows, depth, panel_bias, out, y.stride(), width);
                          });
}

#define EARLYOUT_DETAIL_MULTIPLY(Format)                                                                       \
    EARLYOUT_DETAIL_KERNEL(void multiply(const packed_matrix<Format>&, quantized_view, extent<>, const float*, \
                                         matrix_view<float>, std::size_t, std::size_t, default_arch,           \
                                         std::size_t) noexcept)
EARLYOUT_DETAIL_MULTIPLY(int8);
EARLYOUT_DETAIL_MULTIPLY(int4);
#undef EARLYOUT_DETAIL_MULTIPLY

/// Returns activations in the form that products with a format read: unchanged, or rounded into `scratch`.
/// @param x        [tokens, in]
/// @param for_rows for_rows(n, body) calls body(begin, end) on ranges that make up [0, n), on any threads
template <element_format Format, class ForRows>
[[nodiscard]] matrix_view<const float> prepare(Format, matrix_view<const float> x, quantized_rows&, ForRows) noexcept {
    return x;
}
template <group_format Format, class ForRows>
[[nodiscard]] quantized_view prepare(Format, matrix_view<const float> x, quantized_rows& scratch, ForRows for_rows) {
    for_rows(x.rows(), [&](std::size_t begin, std::size_t end) {
        for (std::size_t t = begin; t < end; ++t) scratch.set_row(t, x.row(t), x.cols());
    });
    return scratch.view(x.rows(), x.cols());
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
