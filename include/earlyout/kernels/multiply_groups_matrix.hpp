// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_MULTIPLY_GROUPS_MATRIX_HPP
#define EARLYOUT_KERNELS_MULTIPLY_GROUPS_MATRIX_HPP

#include <earlyout/kernels/half.hpp>
#include <earlyout/kernels/multiply.hpp>
#include <earlyout/kernels/packing_groups.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

/// @file Products of many tokens with int8 and int4 weights in a matrix unit's registers (arch::amx_unit). A group's
/// sum is an integer and the groups are added in the same order as elsewhere, so the bits are those of
/// multiply_groups_tile().

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Returns the number of tokens to process with the matrix unit: full 16-row tiles; a remainder of 8 or more overlaps
/// the previous tile. Unpacking a panel for fewer than two registers' tokens costs more than the matrix unit saves.
template <class Unit>
[[nodiscard]] constexpr std::size_t worth_matrix_unit(std::size_t tokens) noexcept {
    const std::size_t rest = tokens % Unit::tokens;
    return tokens < 2 * Unit::tokens ? 0 : rest < Unit::tokens / 2 ? tokens - rest : tokens;
}

namespace detail {

/// Codes and scales of up to `most` groups of a panel in the layout of matrix registers and sums.
template <class Arch, class Format>
class unpacked_panel {
public:
    static constexpr std::size_t most = 24;  // a whole row of 768; 27 KiB

    /// @param from the first of `count` groups
    void unpack(const std::uint8_t* from, std::size_t count) noexcept {
        // Codes are stored as code + zero. Adding what is missing to 128 and flipping the highest bit subtracts 128.
        const int_batch<Arch> missing((128 - Format::zero) * 0x01010101),
            highest(static_cast<std::int32_t>(0x80808080));
        for (std::size_t g = 0; g < count; ++g) {
            float_batch<Arch> scale[2];
            load_f16<Arch>(reinterpret_cast<const std::uint16_t*>(from), scale);
            from += panel_rows * sizeof(std::uint16_t);
            for (std::size_t half : {0u, 1u}) scale[half].store_aligned(scales_[g][half]);
            for (std::size_t four = 0; four < group_size / 4; ++four) {
                int_batch<Arch> codes[2];
                from = load_codes<Arch>(Format{}, from, codes);
                for (std::size_t half : {0u, 1u}) {
                    ((codes[half] + missing) ^ highest).store_aligned(codes_[g][half] + four * 16);
                }
            }
        }
        platform::write_all();
    }
    /// [8][16 rows][4]
    [[nodiscard]] const std::int32_t* codes(std::size_t group, std::size_t half) const noexcept {
        return codes_[group][half];
    }
    /// [16 rows]
    [[nodiscard]] float_batch<Arch> scales(std::size_t group, std::size_t half) const noexcept {
        return float_batch<Arch>::load_aligned(scales_[group][half]);
    }

private:
    alignas(64) std::int32_t codes_[most][2][group_size / 4 * 16];
    alignas(64) float scales_[most][2][16];
};

/// Adds one group's exact sums [16 tokens][16 rows], times the tokens' scales and the rows', to `sum`.
template <class Arch, std::size_t Tokens>
EARLYOUT_ALWAYS_INLINE void add_group(const std::int32_t* exact, const float_batch<Arch>& row_scales,
                                      const float* token_scales, std::size_t stride,
                                      float_batch<Arch> (&sum)[Tokens]) noexcept {
    EARLYOUT_UNROLL(16)
    for (std::size_t t = 0; t < Tokens; ++t) {
        const auto whole = xsimd::to_float(int_batch<Arch>::load_aligned(exact + t * 16));
        sum[t] = multiply_add<Arch>(whole, row_scales * float_batch<Arch>(token_scales[t * stride]), sum[t]);
    }
}

/// Adds `count` groups of 16 tokens and half a panel to `sum`. While the matrix unit works on a group, the sums of the
/// previous one are converted.
/// @param values, token_scales the first of those groups in the first token's row; [16 tokens, groups of a row]
template <class Arch, class Format>
inline void add_groups(const unpacked_panel<Arch, Format>& panel, std::size_t half, std::size_t count,
                       const std::int8_t* values, const float* token_scales, std::size_t row_groups, look_ahead ahead,
                       float_batch<Arch> (&sum)[matrix_unit_of<Arch>::tokens]) noexcept {
    using unit = matrix_unit_of<Arch>;
    alignas(64) std::int32_t even[256], odd[256];
    const std::size_t row_bytes = row_groups * group_size;
    const auto start = [&]<bool Odd>(std::size_t g, std::bool_constant<Odd>) {
        ahead.lines(g);
        unit::template start<Odd>(panel.codes(g, half), values + g * group_size, row_bytes);
    };
    const auto add = [&](std::size_t g, const std::int32_t* exact) EARLYOUT_ALWAYS_INLINE_LAMBDA {
        add_group<Arch>(exact, panel.scales(g, half), token_scales + g, row_groups, sum);
    };
    start(0, std::false_type{});
    for (std::size_t g = 0; g < count; g += 2) {
        if (g + 1 < count) start(g + 1, std::true_type{});
        unit::template finish<false>(even);
        if (g != 0) add(g - 1, odd);
        if (g + 2 < count) start(g + 2, std::false_type{});
        if (g + 1 < count) unit::template finish<true>(odd);
        add(g, even);
    }
    if (count % 2 == 0) add(count - 1, odd);
}

}  // namespace detail

/// multiply() for at least 16 tokens. The last tile of tokens overlaps the previous one so that it is full.
template <class Arch, group_format Format>
void multiply_groups_matrix(const packed_matrix<Format>& weights, const quantized_view& x, const float* bias,
                            matrix_view<float> y, std::size_t first_panel, std::size_t last_panel,
                            std::size_t first_column) noexcept {
    using batch = float_batch<Arch>;
    using unit = matrix_unit_of<Arch>;
    constexpr std::size_t max_runs = 8, run = unit::tokens;
    const typename unit::registers registers;
    detail::unpacked_panel<Arch, Format> panel;
    batch sums[max_runs][2][run];  // used when a panel has more groups than are unpacked at once
    const std::size_t groups = weights.groups();

    // Processes `count` groups of a panel, from group g on, with 16 tokens from t on and half of the rows.
    const auto add = [&](std::size_t p, std::size_t g, std::size_t count, std::size_t t, std::size_t half,
                         look_ahead ahead, batch(&kept)[run]) {
        const std::size_t row = p * panel_rows + half * 16;
        if (row >= weights.out()) return;
        for (std::size_t i = 0; i < run; ++i) platform::prefetch_to_write(y.row(t + i) + (row - first_column));
        batch sum[run];
        EARLYOUT_UNROLL(16)
        for (std::size_t i = 0; i < run; ++i) sum[i] = g == 0 ? batch(0.0f) : kept[i];
        const std::size_t first = t * groups + g;
        detail::add_groups<Arch>(panel, half, count, x.codes + first * group_size, x.scales + first, groups, ahead,
                                 sum);
        if (g + count < groups) {
            std::copy_n(sum, run, kept);
            return;
        }
        const std::size_t rows = std::min<std::size_t>(16, weights.out() - row);
        for (std::size_t i = 0; i < run; ++i) {
            batch one[1] = {sum[i]};
            store_rows<Arch>(one, bias == nullptr ? nullptr : bias + row, y.row(t + i) + (row - first_column), rows);
        }
    };

    for (std::size_t at = 0; at < x.rows(); at += max_runs * run) {
        const std::size_t turns = 2 * std::min(max_runs, (x.rows() - at + run - 1) / run);
        for (std::size_t p = first_panel; p < last_panel; ++p) {
            for (std::size_t g = 0; g < groups; g += panel.most) {
                const std::size_t count = std::min(panel.most, groups - g);
                const std::uint8_t* const from = weights.panel(p) + g * weights.group_bytes;
                panel.unpack(from, count);
                // Prefetches what is unpacked next.
                look_ahead ahead(from + count * weights.group_bytes, weights.group_bytes / turns + 1);
                for (std::size_t turn = 0; turn < turns; ++turn) {
                    const std::size_t t = std::min(at + turn / 2 * run, x.rows() - run);
                    add(p, g, count, t, turn % 2, ahead, sums[turn / 2][turn % 2]);
                    ahead.skip(count);
                }
            }
        }
    }
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
