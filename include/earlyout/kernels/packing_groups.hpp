// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_PACKING_GROUPS_HPP
#define EARLYOUT_KERNELS_PACKING_GROUPS_HPP

#include <earlyout/kernels/byte_dot.hpp>
#include <earlyout/kernels/packing.hpp>
#include <earlyout/kernels/quantize.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A weight matrix in int8 or int4. Panels of 32 output rows as in the other formats; a panel is a stream of groups of
/// 32 inputs, each the 32 rows' scales and then their codes, four inputs of a row side by side: int8 [8][32 rows][4]
/// bytes, int4 [8][16][4] bytes with row r in the lower and row r + 16 in the upper half of a byte.
template <group_format Format>
class packed_matrix<Format> {
public:
    /// Bytes of one group of a panel.
    static constexpr std::size_t group_bytes =
        kernels::panel_rows * (sizeof(std::uint16_t) + group_size * Format::bits / 8);

    packed_matrix() noexcept = default;
    packed_matrix(std::size_t out, std::size_t in, Format = {}, weight_arena* arena = nullptr)
        : out_(out), in_(in), data_(weight_arena::make<std::uint8_t>(arena, panels() * groups() * group_bytes)) {}

    [[nodiscard]] std::size_t out() const noexcept { return out_; }
    [[nodiscard]] std::size_t in() const noexcept { return in_; }
    [[nodiscard]] std::size_t groups() const noexcept { return kernels::quantized_rows::groups(in_); }
    [[nodiscard]] std::size_t panels() const noexcept { return (out_ + kernels::panel_rows - 1) / kernels::panel_rows; }
    [[nodiscard]] static constexpr Format format() noexcept { return {}; }
    [[nodiscard]] static constexpr const char* format_name() noexcept { return Format::name; }
    [[nodiscard]] const std::uint8_t* panel(std::size_t index) const noexcept {
        return data_.data() + index * groups() * group_bytes;
    }
    /// Returns the bytes that a product streams, scales and zero rows of the last panel included.
    [[nodiscard]] std::size_t bytes() const noexcept { return data_.bytes(); }
    /// Returns the bytes of `panels` panels.
    [[nodiscard]] std::size_t panel_bytes(std::size_t panels) const noexcept { return panels * groups() * group_bytes; }

    /// Rounds and stores W's rows first_row .. from a row-major source [rows, in], or its transpose [in, rows].
    void set_rows(std::size_t first_row, matrix_view<const float> source) noexcept {
        for (std::size_t r = 0; r < source.rows(); ++r) {
            set_row(first_row + r, [&](std::size_t k) { return source.row(r)[k]; });
        }
    }
    void set_rows_transposed(std::size_t first_row, matrix_view<const float> source) noexcept {
        for (std::size_t r = 0; r < source.cols(); ++r) {
            set_row(first_row + r, [&](std::size_t k) { return source.row(k)[r]; });
        }
    }
    /// Stores one group of a row without rounding it again.
    void set_group(std::size_t row, std::size_t group, const kernels::coded_group& coded) noexcept {
        std::uint8_t* const at = data_.data() + group_offset(row, group);
        const std::size_t r = row % kernels::panel_rows;
        std::memcpy(at + r * sizeof coded.scale, &coded.scale, sizeof coded.scale);
        for (std::size_t k = 0; k < group_size; ++k) {
            std::uint8_t& byte = at[code_offset(r, k)];
            const int code = coded.codes[k] + Format::zero;
            if constexpr (Format::bits == 8) {
                byte = static_cast<std::uint8_t>(code);
            } else {
                byte = static_cast<std::uint8_t>(r < 16 ? (byte & 0xf0) | code : (byte & 0x0f) | code << 4);
            }
        }
    }
    /// Returns one group of a row as stored.
    [[nodiscard]] kernels::coded_group group(std::size_t row, std::size_t group) const noexcept {
        const std::uint8_t* const at = data_.data() + group_offset(row, group);
        const std::size_t r = row % kernels::panel_rows;
        kernels::coded_group found;
        std::memcpy(&found.scale, at + r * sizeof found.scale, sizeof found.scale);
        for (std::size_t k = 0; k < group_size; ++k) {
            const int byte = at[code_offset(r, k)];
            const int code = Format::bits == 8 ? byte : r < 16 ? byte & 0x0f : byte >> 4;
            found.codes[k] = static_cast<std::int8_t>(code - Format::zero);
        }
        return found;
    }

    [[nodiscard]] packed_weights share() const { return {format_name(), out_, in_, data_.memory(), data_.bytes()}; }
    void adopt(const packed_weights& from) {
        const std::size_t size = panels() * groups() * group_bytes;
        check_packed(from, format_name(), out_, in_, size);
        check_finite(scales_finite(from.memory.get(), size));
        data_ = aligned_buffer<std::uint8_t>::holding(from.memory, size);
    }
    /// Copies rows for panels first_panel .. last_panel - 1 of this matrix: row i becomes row rows[i] of `from`, bit
    /// for bit.
    /// @param rows [out]
    void gather(const packed_matrix& from, std::span<const token_id> rows, std::size_t first_panel,
                std::size_t last_panel) noexcept {
        for (std::size_t p = first_panel; p < last_panel; ++p) {
            const std::size_t first = p * kernels::panel_rows;
            const std::size_t count = std::min(kernels::panel_rows, out_ - first);
            for (std::size_t g = 0; g < groups(); ++g) {
                for (std::size_t r = 0; r < count; ++r) {
                    copy_group(from, static_cast<std::size_t>(rows[first + r]), first + r, g);
                }
            }
        }
    }
    /// Returns an upper bound of the memory traffic of gather() for n rows: per group, a row's scale and its codes,
    /// four inputs at a time, each cost a cache line unless they share one.
    [[nodiscard]] std::size_t gather_bytes(std::size_t rows) const noexcept {
        return rows * groups() * (1 + group_size / 4) * detail::cache_line;
    }

    /// Computes out[k] = W[row, k]: an embedding row from a tied output matrix. out: [in]
    void copy_row(std::size_t row, float* out) const noexcept {
        for (std::size_t g = 0; g < groups(); ++g) {
            const kernels::coded_group found = group(row, g);
            const float scale = f16_to_float(found.scale);
            const std::size_t count = std::min(group_size, in_ - g * group_size);
            for (std::size_t k = 0; k < count; ++k) *out++ = scale * static_cast<float>(found.codes[k]);
        }
    }

private:
    [[nodiscard]] static bool scales_finite(const std::byte* from, std::size_t size) noexcept {
        unsigned not_finite = 0;
        for (std::size_t at = 0; at < size; at += group_bytes) {
            for (std::size_t r = 0; r < kernels::panel_rows; ++r) {
                std::uint16_t scale;
                std::memcpy(&scale, from + at + r * sizeof scale, sizeof scale);
                not_finite |= (scale & f16::exponent) == f16::exponent ? 1u : 0u;
            }
        }
        return not_finite == 0;
    }
    static constexpr std::size_t code_offset(std::size_t row, std::size_t k) noexcept {
        constexpr std::size_t words = kernels::panel_rows * Format::bits / 8;
        return kernels::panel_rows * sizeof(std::uint16_t) + (k / 4 * words + row % words) * 4 + k % 4;
    }
    [[nodiscard]] std::size_t group_offset(std::size_t row, std::size_t group) const noexcept {
        return (row / kernels::panel_rows * groups() + group) * group_bytes;
    }
    void copy_group(const packed_matrix& from, std::size_t from_row, std::size_t to_row, std::size_t group) noexcept {
        const std::uint8_t* const source = from.data_.data() + from.group_offset(from_row, group);
        std::uint8_t* const target = data_.data() + group_offset(to_row, group);
        const std::size_t s = from_row % kernels::panel_rows, t = to_row % kernels::panel_rows;
        std::memcpy(target + t * sizeof(std::uint16_t), source + s * sizeof(std::uint16_t), sizeof(std::uint16_t));
        for (std::size_t k = 0; k < group_size; k += 4) {
            std::uint32_t codes = 0;
            std::memcpy(&codes, source + code_offset(s, k), sizeof codes);
            if constexpr (Format::bits == 4) {
                std::uint32_t beside = 0;  // the other half of each byte belongs to another row
                std::memcpy(&beside, target + code_offset(t, k), sizeof beside);
                codes = (s < 16 ? codes : codes >> 4) & 0x0f0f0f0fu;
                codes = t < 16 ? (beside & 0xf0f0f0f0u) | codes : (beside & 0x0f0f0f0fu) | codes << 4;
            }
            std::memcpy(target + code_offset(t, k), &codes, sizeof codes);
        }
    }
    template <class Weight>
    void set_row(std::size_t row, Weight weight) noexcept {
        alignas(64) float values[group_size];
        for (std::size_t g = 0; g < groups(); ++g) {
            for (std::size_t i = 0; i < group_size; ++i) {
                const std::size_t k = g * group_size + i;
                values[i] = k < in_ ? weight(k) : 0.0f;
            }
            set_group(row, g, kernels::quantize_group(Format{}, values));
        }
    }

    std::size_t out_ = 0;
    std::size_t in_ = 0;
    aligned_buffer<std::uint8_t> data_;
};

namespace kernels {

/// Loads codes of four inputs for the 32 rows, a row's in one 32-bit lane. Returns the address of the next four.
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE const std::uint8_t* load_codes(int8, const std::uint8_t* from,
                                                      int_batch<Arch> (&codes)[Parts]) noexcept {
    const auto* const words = reinterpret_cast<const std::int32_t*>(from);
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts; ++p) codes[p] = int_batch<Arch>::load_aligned(words + p * lanes<Arch>);
    return from + panel_rows * 4;
}
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE const std::uint8_t* load_codes(int4, const std::uint8_t* from,
                                                      int_batch<Arch> (&codes)[Parts]) noexcept {
    const auto* const words = reinterpret_cast<const std::int32_t*>(from);
    const int_batch<Arch> low(0x0f0f0f0f);
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts / 2; ++p) {
        const auto both = int_batch<Arch>::load_aligned(words + p * lanes<Arch>);
        codes[p] = both & low;
        codes[p + Parts / 2] = (both >> 4) & low;
    }
    return from + panel_rows * 2;
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
