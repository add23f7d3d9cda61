// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_MULTIPLY_GROUPS_MATRIX_HPP
#define EARLYOUT_KERNELS_MULTIPLY_GROUPS_MATRIX_HPP

#include <earlyout/kernels/group_chunk.hpp>
#include <earlyout/kernels/multiply.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

/// @file Products of many tokens with group formats in a matrix unit's registers (arch::amx_unit). A span's sum is an
/// integer and the spans are added in the same order as elsewhere, so the bits are those of multiply_groups_token().

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Returns the number of tokens to process with the matrix unit: full 16-row tiles; a remainder of 8 or more overlaps
/// the previous tile. Unpacking a panel for fewer than two registers' tokens costs more than the matrix unit saves.
template <class Unit>
[[nodiscard]] constexpr std::size_t worth_matrix_unit(std::size_t tokens) noexcept {
    const std::size_t rest = tokens % Unit::tokens;
    return tokens < 2 * Unit::tokens ? 0 : rest < Unit::tokens / 2 ? tokens - rest : tokens;
}

namespace detail {

/// Where a product in a matrix unit is: some groups of a panel, and the same groups of 16 tokens.
template <class Arch, class Format>
struct matrix_operands {
    static constexpr std::size_t spans = group_size / Format::layout.span;  ///< of a group
    group_chunk chunk;
    std::size_t half;  ///< of the panel's rows
    quantized_view x;  ///< the first of the groups in the first token's row

    /// Adds one span's exact sums [16 tokens][16 rows], times the tokens' scales and the rows', to `sum`; the same
    /// operations as add_span().
    template <std::size_t Tokens>
    EARLYOUT_ALWAYS_INLINE void add(std::size_t span, const std::int32_t* exact,
                                    float_batch<Arch> (&sum)[Tokens]) const noexcept {
        using batch = float_batch<Arch>;
        constexpr int sign = Format::layout.offset;
        const std::size_t at = span * panel_rows + half * 16, g = span / spans;
        const batch scale = batch::load_aligned(chunk.scales + at);
        batch minimum(0.0f);
        if constexpr (sign != 0) minimum = batch::load_aligned(chunk.minimums + at);
        EARLYOUT_UNROLL(16)
        for (std::size_t t = 0; t < Tokens; ++t) {
            const float token_scale = x.scales[t * x.groups + g];
            const auto whole = xsimd::to_float(int_batch<Arch>::load_aligned(exact + t * 16));
            sum[t] = multiply_add<Arch>(whole, scale * batch(token_scale), sum[t]);
            if constexpr (sign != 0) {
                const std::int32_t* const halves = x.sums + 2 * (t * x.groups + g);
                const std::int32_t token_sum = spans == 2 ? halves[span % 2] : halves[0] + halves[1];
                sum[t] = multiply_add<Arch>(minimum, batch(token_scale * static_cast<float>(sign * token_sum)), sum[t]);
            }
        }
    }
    [[nodiscard]] const std::uint8_t* codes(std::size_t span) const noexcept {
        return chunk.codes + span * panel_rows * Format::layout.span + half * 64;
    }
    [[nodiscard]] const std::int8_t* values(std::size_t span) const noexcept {
        return x.codes + span * Format::layout.span;
    }
};

/// Adds `count` spans of 16 tokens and half a panel to `sum`. While the matrix unit works on a span, the sums of the
/// previous one are converted.
template <class Arch, class Unit, class Format>
inline void add_spans(const matrix_operands<Arch, Format>& operands, std::size_t count, look_ahead ahead,
                      float_batch<Arch> (&sum)[Unit::tokens]) noexcept {
    alignas(64) std::int32_t even[256], odd[256];
    const std::size_t row_bytes = operands.x.groups * group_size;
    const auto start = [&]<bool Odd>(std::size_t span, std::bool_constant<Odd>) {
        ahead.lines(span);
        Unit::template start<Odd>(operands.codes(span), panel_rows * 4, operands.values(span), row_bytes);
    };
    const auto add = [&](std::size_t span, const std::int32_t* exact)
                         EARLYOUT_ALWAYS_INLINE_LAMBDA { operands.add(span, exact, sum); };
    start(0, std::false_type{});
    for (std::size_t s = 0; s < count; s += 2) {
        if (s + 1 < count) start(s + 1, std::true_type{});
        Unit::template finish<false>(even);
        if (s != 0) add(s - 1, odd);
        if (s + 2 < count) start(s + 2, std::false_type{});
        if (s + 1 < count) Unit::template finish<true>(odd);
        add(s, even);
    }
    if (count % 2 == 0) add(count - 1, odd);
}

}  // namespace detail

/// multiply() for at least 16 tokens. The last tile of tokens overlaps the previous one so that it is full.
/// @tparam Unit the matrix unit; tests supply one in plain code
template <class Arch, class Unit, group_format Format>
void multiply_groups_matrix(const packed_matrix<Format>& weights, const quantized_view& x, const float* bias,
                            matrix_view<float> y, std::size_t first_panel, std::size_t last_panel,
                            std::size_t first_column) noexcept {
    using batch = float_batch<Arch>;
    using operands = detail::matrix_operands<Arch, Format>;
    constexpr std::size_t max_runs = 8, run = Unit::tokens;
    const typename Unit::registers registers(Format::layout.span);
    chunk_memory<Arch, Format, 24> memory;  // a whole row of 768
    batch sums[max_runs][2][run];           // used when a panel has more blocks than are unpacked at once
    constexpr std::size_t block_groups = Format::layout.groups();
    const std::size_t blocks = weights.blocks();

    // Processes `count` blocks of a panel, from block b on, with 16 tokens from t on and half of the rows.
    const auto add = [&](const group_chunk& chunk, std::size_t p, std::size_t b, std::size_t count, std::size_t t,
                         std::size_t half, look_ahead ahead, batch(&kept)[run]) {
        const std::size_t row = p * panel_rows + half * 16;
        if (row >= weights.out()) return;
        for (std::size_t i = 0; i < run; ++i) platform::prefetch_to_write(y.row(t + i) + (row - first_column));
        batch sum[run];
        EARLYOUT_UNROLL(16)
        for (std::size_t i = 0; i < run; ++i) sum[i] = b == 0 ? batch(0.0f) : kept[i];
        const operands at{chunk, half, x.rows(t, run).from_group(b * block_groups)};
        detail::add_spans<Arch, Unit>(at, count * block_groups * operands::spans, ahead, sum);
        if (b + count < blocks) {
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
            for (std::size_t b = 0; b < blocks; b += memory.blocks) {
                const std::size_t count = std::min(memory.blocks, blocks - b);
                const std::size_t spans = count * block_groups * operands::spans;
                const std::uint8_t* const from = weights.panel(p) + b * weights.block_bytes;
                const group_chunk chunk = memory.unpack_signed(from, count);
                // Prefetches what is unpacked next.
                look_ahead ahead(from + count * weights.block_bytes, count * weights.block_bytes / (spans * turns) + 1);
                for (std::size_t turn = 0; turn < turns; ++turn) {
                    const std::size_t t = std::min(at + turn / 2 * run, x.rows() - run);
                    add(chunk, p, b, count, t, turn % 2, ahead, sums[turn / 2][turn % 2]);
                    ahead.skip(spans);
                }
            }
        }
    }
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
