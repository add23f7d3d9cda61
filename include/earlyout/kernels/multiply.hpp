// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_MULTIPLY_HPP
#define EARLYOUT_KERNELS_MULTIPLY_HPP

#include <earlyout/kernels/half.hpp>
#include <earlyout/kernels/packing.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Tokens whose sums of a panel's rows one pass over it keeps in registers: as many as fit.
template <class Arch>
inline constexpr std::size_t tile_tokens = std::max<std::size_t>(1, sum_registers<Arch> / (panel_rows / lanes<Arch>));

/// Loads the 32 weights of one input as floats, in row order.
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_column(f32, const float* weights, float_batch<Arch> (&column)[Parts]) noexcept {
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts; ++p) column[p] = float_batch<Arch>::load_aligned(weights + p * lanes<Arch>);
}
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_column(bf16, const std::uint16_t* weights,
                                        float_batch<Arch> (&column)[Parts]) noexcept {
    using words = word_batch<Arch>;
    const words upper_half(0xffff0000u);
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts / 2; ++p) {
        const auto* at = reinterpret_cast<const std::uint32_t*>(weights) + p * lanes<Arch>;
        const words pairs = words::load_aligned(at);
        column[p] = std::bit_cast<float_batch<Arch>>(pairs << 16);
        column[p + Parts / 2] = std::bit_cast<float_batch<Arch>>(pairs & upper_half);
    }
}

template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_column(f16, const std::uint16_t* weights,
                                        float_batch<Arch> (&column)[Parts]) noexcept {
    load_f16<Arch>(weights, column);
}

/// Stores one token's sums of a panel, plus bias if there is one, to its first `rows` rows.
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void store_rows(float_batch<Arch> (&sum)[Parts], const float* bias, float* out,
                                       std::size_t rows) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts; ++p) {
        const std::size_t first = p * w;
        if (first + w <= rows) {
            if (bias != nullptr) sum[p] += batch::load_unaligned(bias + first);
            sum[p].store_unaligned(out + first);
        } else if (first < rows) {
            if (bias != nullptr) sum[p] += load_tail<Arch>(bias + first, rows - first, 0.0f);
            store_tail<Arch>(sum[p], out + first, rows - first);
        }
    }
}

/// Software prefetch of the next panel, spread over the k loop (hardware prefetchers stop at page boundaries).
class look_ahead {
public:
    /// @param bytes per step
    look_ahead(const void* from, std::size_t bytes) noexcept
        : from_(reinterpret_cast<std::uintptr_t>(from)), bytes_(bytes) {}

    /// Prefetches one line, for short steps.
    void line(std::size_t step) const noexcept { platform::prefetch(from_ + step * bytes_); }
    void lines(std::size_t step) const noexcept {
        for (std::size_t i = 0; i < bytes_; i += 64) platform::prefetch(from_ + step * bytes_ + i);
    }
    void skip(std::size_t steps) noexcept { from_ += steps * bytes_; }

private:
    std::uintptr_t from_;  // an integer: it may run past the end of the weights
    std::size_t bytes_;
};

/// Software prefetch of the stream that one token's product reads, where the processor needs it.
class stream_prefetch {
public:
    /// Prefetches `Bytes` bytes, 4 KiB after `at`.
    template <std::size_t Bytes>
    EARLYOUT_ALWAYS_INLINE void after(const void* at) const noexcept {
        if (!enabled_) return;
        EARLYOUT_UNROLL(32)
        for (std::size_t i = 0; i < Bytes; i += 64) {
            platform::prefetch(reinterpret_cast<std::uintptr_t>(at) + distance + i);
        }
    }

private:
    static constexpr std::size_t distance = 4096;
    bool enabled_ = platform::prefetches_streams();
};

/// Computes `Tokens` rows of y = W x for one panel. Each sum runs over k in order with one fused operation per term,
/// whatever the tile: a value does not depend on its neighbours.
template <class Arch, std::size_t Tokens, class Format, class Depth>
inline void multiply_tile(const typename Format::element* panel, look_ahead ahead, matrix_view<const float> x,
                          Depth depth, const float* bias, float* y, std::size_t y_stride, std::size_t rows) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    constexpr std::size_t parts = panel_rows / w;
    // Loops over registers are unrolled explicitly: at -O2 GCC 12 leaves them rolled and keeps the sums in memory,
    // which is several times slower.
    batch sum[Tokens][parts];
    EARLYOUT_UNROLL(16)
    for (auto& token : sum) {
        EARLYOUT_UNROLL(16)
        for (auto& part : token) part = batch(0.0f);
    }
    const auto* weight = panel;
    const std::size_t steps = depth;
    const stream_prefetch stream;
    for (std::size_t k = 0; k < steps; ++k, weight += panel_rows) {
        if constexpr (Tokens == 1) stream.template after<panel_rows * sizeof(*weight)>(weight);
        if constexpr (Tokens == tile_tokens<Arch> && Tokens > 1) ahead.line(k);
        batch column[parts];
        load_column<Arch>(Format{}, weight, column);
        EARLYOUT_UNROLL(16)
        for (std::size_t t = 0; t < Tokens; ++t) {
            const batch value(x.row(t)[k]);
            EARLYOUT_UNROLL(16)
            for (std::size_t p = 0; p < parts; ++p) sum[t][p] = multiply_add<Arch>(value, column[p], sum[t][p]);
        }
    }
    EARLYOUT_UNROLL(16)
    for (std::size_t t = 0; t < Tokens; ++t) store_rows<Arch>(sum[t], bias, y + t * y_stride, rows);
}

/// Computes y = x Wᵀ + bias for the panels first_panel .. last_panel - 1.
/// @param x     [tokens, in]
/// @param depth the inner size `in`, as a number or a static `extent`
/// @param bias  [out] or nullptr
/// @param y     [tokens, out]; only the columns of the given panels are written
/// @param first_column the row of W that y's first column corresponds to, if not the first
template <class Arch = default_arch, element_format Format, class Depth>
void multiply(const packed_matrix<Format>& weights, matrix_view<const float> x, Depth depth, const float* bias,
              matrix_view<float> y, std::size_t first_panel, std::size_t last_panel, Arch = {},
              std::size_t first_column = 0) noexcept {
    constexpr std::size_t most = tile_tokens<Arch>;
    using element = typename Format::element;
    using tile = void (*)(const element*, look_ahead, matrix_view<const float>, Depth, const float*, float*,
                          std::size_t, std::size_t) noexcept;
    static constexpr auto tiles = []<std::size_t... T>(std::index_sequence<T...>) {
        return std::array<tile, most>{&multiply_tile<Arch, T + 1, Format, Depth>...};
    }(std::make_index_sequence<most>{});
    const std::size_t steps = depth;
    const std::size_t full_tiles = std::max<std::size_t>(1, x.rows() / most);
    const std::size_t ahead_bytes = panel_rows * sizeof(element) / full_tiles + 1;
    for (std::size_t panel = first_panel; panel < last_panel; ++panel) {
        const std::size_t first_row = panel * panel_rows;
        const std::size_t rows = std::min(panel_rows, weights.out() - first_row);
        const float* panel_bias = bias == nullptr ? nullptr : bias + first_row;
        const bool last = panel + 1 == last_panel;
        look_ahead ahead(weights.panel(last ? panel : panel + 1), last ? 0 : ahead_bytes);
        for (std::size_t t = 0; t < x.rows();) {
            const std::size_t count = std::min(most, x.rows() - t);
            tiles[count - 1](weights.panel(panel), ahead, x.rows(t, count), depth, panel_bias,
                             y.row(t) + (first_row - first_column), y.stride(), rows);
            ahead.skip(steps);
            t += count;
        }
    }
}

#define EARLYOUT_DETAIL_MULTIPLY(Format)                                                                           \
    EARLYOUT_DETAIL_KERNEL(void multiply(const packed_matrix<Format>&, matrix_view<const float>, extent<>,         \
                                         const float*, matrix_view<float>, std::size_t, std::size_t, default_arch, \
                                         std::size_t) noexcept)
EARLYOUT_DETAIL_MULTIPLY(f32);
EARLYOUT_DETAIL_MULTIPLY(bf16);
EARLYOUT_DETAIL_MULTIPLY(f16);
#undef EARLYOUT_DETAIL_MULTIPLY

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
