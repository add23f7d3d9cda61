// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_MULTIPLY_GROUPS_AMX_HPP
#define EARLYOUT_KERNELS_MULTIPLY_GROUPS_AMX_HPP

#include <earlyout/kernels/half.hpp>
#include <earlyout/kernels/multiply.hpp>
#include <earlyout/kernels/packing_groups.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(EARLYOUT_DETAIL_AMX)
#include <immintrin.h>
#endif

/// @file Products of many tokens with int8 and int4 weights in AMX's matrix registers. A group's sum is a whole number
/// and the groups are added as everywhere else, so that the bits are those of multiply_groups_tile().

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

#if defined(EARLYOUT_DETAIL_AMX)

/// Tokens that a matrix register holds.
inline constexpr std::size_t amx_tokens = 16;

/// How many of so many tokens are worth a matrix register that is full or, by computing some tokens again, made full.
/// Unpacking a panel for fewer than 32 costs more than the matrix unit saves.
[[nodiscard]] constexpr std::size_t worth_amx(std::size_t tokens) noexcept {
    const std::size_t rest = tokens % amx_tokens;
    return tokens < 2 * amx_tokens ? 0 : rest < amx_tokens / 2 ? tokens - rest : tokens;
}

/// True where products of `Arch` are compiled with AMX and the system lets this process use it: Linux wants to be asked
/// once, because a signal's frame grows by 8 KiB.
template <class Arch>
[[nodiscard]] inline bool may_use_amx() noexcept {
    if constexpr (std::is_base_of_v<xsimd::avx512bw, Arch>) {
        static const bool permitted = platform::request_matrix_registers();
        return permitted;
    } else {
        return false;
    }
}

namespace detail {

/// This thread's matrix registers, while it lives: 0 and 1 for sums [16 tokens][16 rows], 2 and 3 for a group of 16
/// tokens' values [16][32], 4 and 5 for a group of 16 rows' codes [8][16][4].
class amx_registers {
public:
    amx_registers() noexcept {
        struct alignas(64) {
            std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
            std::uint16_t row_bytes[16] = {64, 64, 32, 32, 64, 64};
            std::uint8_t rows[16] = {16, 16, 16, 16, 8, 8};
        } const shapes;
        write_all();
        _tile_loadconfig(&shapes);
    }
    ~amx_registers() { _tile_release(); }
    amx_registers(const amx_registers&) = delete;
    amx_registers& operator=(const amx_registers&) = delete;

    /// GCC does not know that loads of matrix registers read memory.
    static void write_all() noexcept { platform::write_all(); }
};

/// Codes and scales of up to `most` groups of a panel as matrix registers and sums want them.
template <class Arch, class Format>
class amx_panel {
public:
    static constexpr std::size_t most = 24;  // all of a row of 768; 27 KiB

    /// @param from the first of `count` groups
    void unpack(const std::uint8_t* from, std::size_t count) noexcept {
        // Codes lie there as code + zero. Adding what is missing to 128 and flipping the highest bit takes 128 off.
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
        amx_registers::write_all();
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
template <class Arch>
EARLYOUT_ALWAYS_INLINE void add_group(const std::int32_t* exact, const float_batch<Arch>& row_scales,
                                      const float* token_scales, std::size_t stride,
                                      float_batch<Arch> (&sum)[amx_tokens]) noexcept {
    EARLYOUT_UNROLL(16)
    for (std::size_t t = 0; t < amx_tokens; ++t) {
        const auto whole = xsimd::to_float(int_batch<Arch>::load_aligned(exact + t * 16));
        sum[t] = multiply_add<Arch>(whole, row_scales * float_batch<Arch>(token_scales[t * stride]), sum[t]);
    }
}

/// Adds `count` groups of 16 tokens and half a panel to `sum`. While the matrix unit works on a group, the sums of the
/// one before it are converted.
/// @param values, token_scales the first of those groups in the first token's row; [16 tokens, groups of a row]
template <class Arch, class Format>
inline void add_groups(const amx_panel<Arch, Format>& panel, std::size_t half, std::size_t count,
                       const std::int8_t* values, const float* token_scales, std::size_t row_groups, look_ahead ahead,
                       float_batch<Arch> (&sum)[amx_tokens]) noexcept {
    alignas(64) std::int32_t even[256], odd[256];
    const std::size_t row_bytes = row_groups * group_size;
    // Twice, because a register's number is part of the instruction.
    const auto start_even = [&](std::size_t g) {
        ahead.lines(g);
        _tile_loadd(4, panel.codes(g, half), 64);
        _tile_loadd(2, values + g * group_size, row_bytes);
        _tile_zero(0);
        _tile_dpbssd(0, 2, 4);
    };
    const auto start_odd = [&](std::size_t g) {
        ahead.lines(g);
        _tile_loadd(5, panel.codes(g, half), 64);
        _tile_loadd(3, values + g * group_size, row_bytes);
        _tile_zero(1);
        _tile_dpbssd(1, 3, 5);
    };
    const auto add = [&](std::size_t g, const std::int32_t* exact) EARLYOUT_ALWAYS_INLINE_LAMBDA {
        add_group<Arch>(exact, panel.scales(g, half), token_scales + g, row_groups, sum);
    };
    start_even(0);
    for (std::size_t g = 0; g < count; g += 2) {
        if (g + 1 < count) start_odd(g + 1);
        _tile_stored(0, even, 64);
        if (g != 0) add(g - 1, odd);
        if (g + 2 < count) start_even(g + 2);
        if (g + 1 < count) _tile_stored(1, odd, 64);
        add(g, even);
    }
    if (count % 2 == 0) add(count - 1, odd);
}

}  // namespace detail

/// multiply() for at least 16 tokens. The last register of tokens reaches back to be full, and computes some again.
template <class Arch, group_format Format>
void multiply_groups_amx(const packed_matrix<Format>& weights, const quantized_view& x, const float* bias,
                         matrix_view<float> y, std::size_t first_panel, std::size_t last_panel,
                         std::size_t first_column) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t most_runs = 8;
    const detail::amx_registers registers;
    detail::amx_panel<Arch, Format> panel;
    batch sums[most_runs][2][amx_tokens];  // where a panel has more groups than are unpacked at once
    const std::size_t groups = weights.groups();

    // All of `count` groups of a panel, from group g on, with 16 tokens from t on and half of the rows.
    const auto add = [&](std::size_t p, std::size_t g, std::size_t count, std::size_t t, std::size_t half,
                         look_ahead ahead, batch(&kept)[amx_tokens]) {
        const std::size_t row = p * panel_rows + half * 16;
        if (row >= weights.out()) return;
        for (std::size_t i = 0; i < amx_tokens; ++i) platform::prefetch_to_write(y.row(t + i) + (row - first_column));
        batch sum[amx_tokens];
        EARLYOUT_UNROLL(16)
        for (std::size_t i = 0; i < amx_tokens; ++i) sum[i] = g == 0 ? batch(0.0f) : kept[i];
        const std::size_t first = t * groups + g;
        detail::add_groups<Arch>(panel, half, count, x.codes + first * group_size, x.scales + first, groups, ahead,
                                 sum);
        if (g + count < groups) {
            std::copy_n(sum, amx_tokens, kept);
            return;
        }
        const std::size_t rows = std::min<std::size_t>(16, weights.out() - row);
        for (std::size_t i = 0; i < amx_tokens; ++i) {
            batch one[1] = {sum[i]};
            store_rows<Arch>(one, bias == nullptr ? nullptr : bias + row, y.row(t + i) + (row - first_column), rows);
        }
    };

    for (std::size_t at = 0; at < x.rows(); at += most_runs * amx_tokens) {
        const std::size_t turns = 2 * std::min(most_runs, (x.rows() - at + amx_tokens - 1) / amx_tokens);
        for (std::size_t p = first_panel; p < last_panel; ++p) {
            for (std::size_t g = 0; g < groups; g += panel.most) {
                const std::size_t count = std::min(panel.most, groups - g);
                const std::uint8_t* const from = weights.panel(p) + g * weights.group_bytes;
                panel.unpack(from, count);
                // What is unpacked next comes nearer meanwhile.
                look_ahead ahead(from + count * weights.group_bytes, weights.group_bytes / turns + 1);
                for (std::size_t turn = 0; turn < turns; ++turn) {
                    const std::size_t t = std::min(at + turn / 2 * amx_tokens, x.rows() - amx_tokens);
                    add(p, g, count, t, turn % 2, ahead, sums[turn / 2][turn % 2]);
                    ahead.skip(count);
                }
            }
        }
    }
}

#endif

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
