// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_PACKING_HPP
#define EARLYOUT_KERNELS_PACKING_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/extent.hpp>
#include <earlyout/core/matrix_view.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/kernels/formats.hpp>
#include <earlyout/kernels/simd.hpp>
#include <earlyout/weights/packed_weights.hpp>
#include <earlyout/weights/weight_arena.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A weight matrix W: [out, in] in the layout that the product kernels read: panels of 32 output rows, each panel one
/// sequential stream [in][32] in the format's row order. The last panel's missing rows are zero. Weights exist only in
/// this form; single rows can be read back. int8 and int4: packing_groups.hpp.
template <class Format = f32>
class packed_matrix {
public:
    using element = typename Format::element;

    packed_matrix() noexcept = default;
    /// Makes an all-zero matrix.
    /// @param arena where to allocate, beside other matrices; nullptr: separately
    packed_matrix(std::size_t out, std::size_t in, Format = {}, weight_arena* arena = nullptr)
        : out_(out), in_(in), data_(weight_arena::make<element>(arena, round_up(out, kernels::panel_rows) * in)) {}

    [[nodiscard]] std::size_t out() const noexcept { return out_; }
    [[nodiscard]] std::size_t in() const noexcept { return in_; }
    [[nodiscard]] std::size_t panels() const noexcept { return (out_ + kernels::panel_rows - 1) / kernels::panel_rows; }
    [[nodiscard]] static constexpr Format format() noexcept { return {}; }
    [[nodiscard]] static constexpr const char* format_name() noexcept { return Format::name; }
    [[nodiscard]] const element* panel(std::size_t index) const noexcept {
        return data_.data() + index * kernels::panel_rows * in_;
    }
    /// Returns the bytes that a product streams, zero rows of the last panel included.
    [[nodiscard]] std::size_t bytes() const noexcept { return data_.bytes(); }
    /// Returns the bytes of the panels from `first_panel` on.
    [[nodiscard]] std::size_t bytes_from(std::size_t first_panel) const noexcept {
        return (panels() - first_panel) * kernels::panel_rows * in_ * sizeof(element);
    }

    /// Stores W's rows first_row .. from a row-major source [rows, in], or its transpose [in, rows].
    void set_rows(std::size_t first_row, matrix_view<const float> source) noexcept {
        for (std::size_t r = 0; r < source.rows(); ++r) {
            if ((first_row + r) % kernels::panel_rows == 0 && r + kernels::panel_rows <= source.rows()) {
                set_panel((first_row + r) / kernels::panel_rows, source, r);
                r += kernels::panel_rows - 1;
                continue;
            }
            for (std::size_t k = 0; k < in_; ++k) at(first_row + r, k) = Format::encode(source.row(r)[k]);
        }
    }
    void set_rows_transposed(std::size_t first_row, matrix_view<const float> source) noexcept {
        for (std::size_t k = 0; k < in_; ++k) {
            for (std::size_t r = 0; r < source.cols(); ++r) at(first_row + r, k) = Format::encode(source.row(k)[r]);
        }
    }

    /// Returns a view of these weights, to be attached to another matrix.
    [[nodiscard]] packed_weights share() const { return {format_name(), out_, in_, data_.memory(), data_.bytes()}; }
    /// Attaches weights of this format and these sizes, which are then read in place. On error the matrix is unchanged.
    /// @throws error (mismatch, wrong_shape, malformed_file), (wrong_value) when a weight is not finite
    void adopt(const packed_weights& from) {
        const std::size_t size = round_up(out_, kernels::panel_rows) * in_;
        check_packed(from, format_name(), out_, in_, size * sizeof(element));
        check_finite(all_finite(from.memory.get(), size));
        data_ = aligned_buffer<element>::holding(from.memory, size);
    }
    /// Copies rows for panels first_panel .. last_panel - 1 of this matrix: row i becomes row rows[i] of `from`, bit
    /// for bit.
    /// @param rows [out]
    void gather(const packed_matrix& from, std::span<const token_id> rows, std::size_t first_panel,
                std::size_t last_panel) noexcept {
        for (std::size_t p = first_panel; p < last_panel; ++p) {
            const std::size_t first = p * kernels::panel_rows;
            const std::size_t count = std::min(kernels::panel_rows, out_ - first);
            const element* source[kernels::panel_rows];
            for (std::size_t r = 0; r < count; ++r) {
                const auto row = static_cast<std::size_t>(rows[first + r]);
                source[r] = from.panel(row / kernels::panel_rows) + Format::place(row % kernels::panel_rows);
            }
            element* const panel = data_.data() + first * in_;
            for (std::size_t k = 0; k < in_ * kernels::panel_rows; k += kernels::panel_rows) {
                for (std::size_t r = 0; r < count; ++r) panel[k + Format::place(r)] = source[r][k];
            }
        }
    }
    /// Returns an upper bound of the memory traffic of gather() for n rows: a row's weights are not contiguous, each
    /// costs a cache line unless it shares one.
    [[nodiscard]] std::size_t gather_bytes(std::size_t rows) const noexcept { return rows * in_ * detail::cache_line; }

    /// Computes out[k] = W[row, k]: an embedding row from a tied output matrix. out: [in]
    void copy_row(std::size_t row, float* out) const noexcept {
        const element* at = panel(row / kernels::panel_rows) + Format::place(row % kernels::panel_rows);
        for (std::size_t k = 0; k < in_; ++k) out[k] = Format::decode(at[k * kernels::panel_rows]);
    }

private:
    /// Branch-free, so that compilers vectorise it.
    [[nodiscard]] static bool all_finite(const std::byte* from, std::size_t size) noexcept {
        using bits_type = std::remove_const_t<decltype(Format::exponent)>;
        bits_type not_finite = 0;
        for (std::size_t i = 0; i < size; ++i) {
            bits_type bits;
            std::memcpy(&bits, from + i * sizeof bits, sizeof bits);
            not_finite = static_cast<bits_type>(not_finite | ((bits & Format::exponent) == Format::exponent ? 1 : 0));
        }
        return not_finite == 0;
    }
    /// Stores 32 rows of the source in the order of the panel's memory.
    void set_panel(std::size_t index, matrix_view<const float> source, std::size_t first) noexcept {
        const float* rows[kernels::panel_rows];
        for (std::size_t r = 0; r < kernels::panel_rows; ++r) rows[r] = source.row(first + r);
        element* to = data_.data() + index * kernels::panel_rows * in_;
        for (std::size_t k = 0; k < in_; ++k, to += kernels::panel_rows) {
            for (std::size_t r = 0; r < kernels::panel_rows; ++r) to[Format::place(r)] = Format::encode(rows[r][k]);
        }
    }
    element& at(std::size_t row, std::size_t column) noexcept {
        return data_[(row / kernels::panel_rows * in_ + column) * kernels::panel_rows +
                     Format::place(row % kernels::panel_rows)];
    }

    std::size_t out_ = 0;
    std::size_t in_ = 0;
    aligned_buffer<element> data_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
