// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_PACKING_GROUPS_HPP
#define EARLYOUT_KERNELS_PACKING_GROUPS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/kernels/code_planes.hpp>
#include <earlyout/kernels/packing.hpp>
#include <earlyout/kernels/quantize_blocks.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A weight matrix in a group format. Panels of 32 output rows as in the other formats. A panel is a stream of blocks,
/// each with the same bytes as 32 rows' blocks in a file: the rows' binary16 factors [factors][32], the bytes of their
/// scales [bytes][32], and for each 32 inputs their codes (code_planes).
template <group_format Format>
class packed_matrix<Format> {
public:
    static constexpr block_layout layout = Format::layout;
    /// Bytes of one block of a panel, and where its codes begin.
    static constexpr std::size_t block_bytes = kernels::panel_rows * earlyout::block_bytes(Format::stored);
    static constexpr std::size_t header_bytes = kernels::panel_rows * (2 * layout.factor_count() + layout.bytes);
    static constexpr std::size_t group_bytes = kernels::code_planes<Format::bits>::group_bytes;
    static_assert(header_bytes + layout.groups() * group_bytes == block_bytes);

    packed_matrix() noexcept = default;
    /// @throws error (wrong_shape) when a row is not whole blocks of more than 32 weights
    packed_matrix(std::size_t out, std::size_t in, Format = {}, weight_arena* arena = nullptr)
        : out_(out),
          in_(check_blocks(in)),
          data_(weight_arena::make<std::uint8_t>(arena, panels() * blocks() * block_bytes)) {}

    [[nodiscard]] std::size_t out() const noexcept { return out_; }
    [[nodiscard]] std::size_t in() const noexcept { return in_; }
    [[nodiscard]] std::size_t blocks() const noexcept { return (in_ + layout.values - 1) / layout.values; }
    [[nodiscard]] std::size_t groups() const noexcept { return blocks() * layout.groups(); }
    [[nodiscard]] std::size_t panels() const noexcept { return (out_ + kernels::panel_rows - 1) / kernels::panel_rows; }
    [[nodiscard]] static constexpr Format format() noexcept { return {}; }
    [[nodiscard]] static constexpr const char* format_name() noexcept { return Format::name; }
    [[nodiscard]] const std::uint8_t* panel(std::size_t index) const noexcept {
        return data_.data() + index * blocks() * block_bytes;
    }
    /// Returns the bytes that a product streams, scales and zero rows of the last panel included.
    [[nodiscard]] std::size_t bytes() const noexcept { return data_.bytes(); }
    /// Returns the bytes of the panels from `first_panel` on.
    [[nodiscard]] std::size_t bytes_from(std::size_t first_panel) const noexcept {
        return (panels() - first_panel) * blocks() * block_bytes;
    }

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
    /// Stores one block of a row as a file has it.
    /// @param block [block_bytes(Format::stored)]
    void set_block(std::size_t row, std::size_t index, const std::byte* block) noexcept {
        std::uint8_t* const at = data_.data() + block_offset(row, index);
        const std::size_t r = row % kernels::panel_rows;
        for (std::size_t f = 0; f < layout.factor_count(); ++f) {
            std::memcpy(at + (f * kernels::panel_rows + r) * 2, block + layout.factor_at(f), 2);
        }
        std::uint8_t* const bytes = at + header_bytes - kernels::panel_rows * layout.bytes;
        for (std::size_t i = 0; i < layout.bytes; ++i) {
            bytes[i * kernels::panel_rows + r] = std::to_integer<std::uint8_t>(block[layout.first_byte + i]);
        }
        for (std::size_t g = 0; g < layout.groups(); ++g) {
            std::uint8_t codes[group_size];
            for (std::size_t i = 0; i < group_size; ++i) {
                codes[i] = static_cast<std::uint8_t>(Format::code(block, g * group_size + i));
            }
            kernels::code_planes<Format::bits>::store(at + header_bytes + g * group_bytes, r, codes);
        }
    }
    /// Stores block number `index` of the 32 rows of a panel: what set_block() does for each, but reading
    /// and writing several codes at a time.
    /// @param blocks those of the first row; the next row's are `stride` bytes further
    void set_blocks(std::size_t panel_index, std::size_t index, const std::byte* blocks, std::size_t stride) noexcept {
        std::uint8_t* at = data_.data() + block_offset(panel_index * kernels::panel_rows, index);
        for (std::size_t f = 0; f < layout.factor_count(); ++f, at += 2 * kernels::panel_rows) {
            for (std::size_t r = 0; r < kernels::panel_rows; ++r) {
                std::memcpy(at + 2 * r, blocks + r * stride + layout.factor_at(f), 2);
            }
        }
        for (std::size_t i = 0; i < layout.bytes; ++i, at += kernels::panel_rows) {
            for (std::size_t r = 0; r < kernels::panel_rows; ++r) {
                at[r] = std::to_integer<std::uint8_t>(blocks[r * stride + layout.first_byte + i]);
            }
        }
        for (std::size_t g = 0; g < layout.groups(); ++g, at += group_bytes) {
            alignas(64) std::int32_t codes[group_size / 4][kernels::panel_rows];
            for (std::size_t r = 0; r < kernels::panel_rows; ++r) {
                EARLYOUT_UNROLL(8)
                for (std::size_t four = 0; four < group_size / 4; ++four) {
                    codes[four][r] = static_cast<std::int32_t>(
                        Format::template code<four_codes>(blocks + r * stride, g * group_size + 4 * four));
                }
            }
            kernels::code_planes<Format::bits>::store_rows(at, &codes[0][0]);
        }
    }
    /// Returns the codes of group number `index` of a row.
    [[nodiscard]] std::array<std::uint8_t, group_size> codes(std::size_t row, std::size_t index) const noexcept {
        const std::uint8_t* const at = data_.data() + block_offset(row, index / layout.groups());
        std::array<std::uint8_t, group_size> found;
        kernels::code_planes<Format::bits>::load(at + header_bytes + index % layout.groups() * group_bytes,
                                                 row % kernels::panel_rows, found.data());
        return found;
    }
    /// Returns the scale of span number `index` of a row, and what is added to each of its weights.
    [[nodiscard]] detail::span_scale scale(std::size_t row, std::size_t index) const noexcept {
        const std::uint8_t* const at = data_.data() + block_offset(row, index / layout.spans());
        const std::size_t r = row % kernels::panel_rows;
        float factor[2] = {1.0f, 1.0f};
        for (std::size_t f = 0; f < layout.factor_count(); ++f) {
            std::uint16_t bits;
            std::memcpy(&bits, at + (f * kernels::panel_rows + r) * 2, sizeof bits);
            factor[f] = f16_to_float(bits);
        }
        const std::uint8_t* const bytes = at + header_bytes - kernels::panel_rows * layout.bytes;
        return detail::scale_of<Format>(factor, index % layout.spans(),
                                        [&](std::size_t i) { return int{bytes[i * kernels::panel_rows + r]}; });
    }

    [[nodiscard]] packed_weights share() const { return {format_name(), out_, in_, data_.memory(), data_.bytes()}; }
    void adopt(const packed_weights& from) {
        const std::size_t size = panels() * blocks() * block_bytes;
        check_packed(from, format_name(), out_, in_, size);
        check_finite(scales_finite(reinterpret_cast<const std::uint8_t*>(from.memory.get()), size));
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
            for (std::size_t b = 0; b < blocks(); ++b) {
                for (std::size_t r = 0; r < count; ++r) {
                    copy_block(from, static_cast<std::size_t>(rows[first + r]), first + r, b);
                }
            }
        }
    }
    /// Returns an upper bound of the memory traffic of gather() for n rows: per group, a row's factors and bytes and
    /// its codes, four inputs at a time, each cost a cache line unless they share one.
    [[nodiscard]] std::size_t gather_bytes(std::size_t rows) const noexcept {
        return rows * blocks() *
               (layout.factor_count() + layout.bytes + layout.groups() * kernels::code_planes<Format::bits>::words) *
               detail::cache_line;
    }

    /// Computes out[k] = W[row, k]: an embedding row from a tied output matrix. out: [in]
    void copy_row(std::size_t row, float* out) const noexcept {
        for (std::size_t g = 0; g < groups(); ++g) {
            const std::array<std::uint8_t, group_size> found = codes(row, g);
            const std::size_t count = std::min(group_size, in_ - g * group_size);
            for (std::size_t k = 0; k < count; ++k) {
                const detail::span_scale s = scale(row, (g * group_size + k) / layout.span);
                *out = s.scale * static_cast<float>(detail::value_of<Format>(found[k]));
                if constexpr (layout.offset != 0) *out += s.offset;
                ++out;
            }
        }
    }

private:
    static std::size_t check_blocks(std::size_t in) {
        if (layout.values > group_size && in % layout.values != 0) {
            fail(errc::wrong_shape, Format::name, ": expected rows of whole blocks of ", layout.values,
                 " weights, found ", in);
        }
        return in;
    }
    /// Branch-free, so that compilers vectorise it.
    [[nodiscard]] static bool scales_finite(const std::uint8_t* from, std::size_t size) noexcept {
        unsigned not_finite = 0;
        for (std::size_t at = 0; at < size; at += block_bytes) {
            for (std::size_t i = 0; i < layout.factor_count() * kernels::panel_rows; ++i) {
                std::uint16_t factor;
                std::memcpy(&factor, from + at + i * sizeof factor, sizeof factor);
                not_finite |= (factor & f16::exponent) == f16::exponent ? 1u : 0u;
            }
            if constexpr (layout.is_exponent) {
                for (std::size_t r = 0; r < kernels::panel_rows; ++r) not_finite |= from[at + r] == 0xff ? 1u : 0u;
            }
        }
        return not_finite == 0;
    }
    [[nodiscard]] std::size_t block_offset(std::size_t row, std::size_t index) const noexcept {
        return (row / kernels::panel_rows * blocks() + index) * block_bytes;
    }
    void copy_block(const packed_matrix& from, std::size_t from_row, std::size_t to_row, std::size_t index) noexcept {
        const std::uint8_t* const source = from.data_.data() + from.block_offset(from_row, index);
        std::uint8_t* const target = data_.data() + block_offset(to_row, index);
        const std::size_t s = from_row % kernels::panel_rows, t = to_row % kernels::panel_rows;
        constexpr std::size_t factors_end = kernels::panel_rows * 2 * layout.factor_count();
        for (std::size_t at = 0; at < factors_end; at += 2 * kernels::panel_rows) {
            std::memcpy(target + at + 2 * t, source + at + 2 * s, 2);
        }
        for (std::size_t at = factors_end; at < header_bytes; at += kernels::panel_rows)
            target[at + t] = source[at + s];
        for (std::size_t at = header_bytes; at < block_bytes; at += group_bytes) {
            kernels::code_planes<Format::bits>::copy(source + at, s, target + at, t);
        }
    }
    template <class Weight>
    void set_row(std::size_t row, Weight weight) noexcept {
        alignas(64) float values[layout.values];
        std::byte block[earlyout::block_bytes(Format::stored)];
        for (std::size_t b = 0; b < blocks(); ++b) {
            for (std::size_t i = 0; i < layout.values; ++i) {
                const std::size_t k = b * layout.values + i;
                values[i] = k < in_ ? weight(k) : 0.0f;
            }
            kernels::quantize_block(Format{}, values, block);
            set_block(row, b, block);
        }
    }

    std::size_t out_ = 0;
    std::size_t in_ = 0;
    aligned_buffer<std::uint8_t> data_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
