// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_FILL_MATRIX_HPP
#define EARLYOUT_NN_FILL_MATRIX_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/matrix_view.hpp>
#include <earlyout/nn/stored_rows.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Rows of a stored matrix that become rows of a linear layer.
struct matrix_part {
    std::string tensor;
    std::size_t stored_rows = 0;  ///< rows of the tensor in total
    std::size_t first = 0;        ///< first row of the part
    std::size_t count = 0;
    std::size_t to = 0;  ///< the layer's row that `first` becomes
};

/// How a matrix is stored: row by row, or its transpose.
enum class matrix_layout { out_in, in_out };

namespace detail {

/// Sets the rows of each part, in the matrix's current format: panel by panel, on the checkpoint's executor.
template <class Linear>
void set_parts(const checkpoint& from, std::span<const matrix_part* const> parts,
               std::span<const tensor_view* const> tensors, Linear& into) {
    constexpr std::size_t weights_worth_a_piece = 1 << 18;
    const std::size_t grain = 1 + weights_worth_a_piece / (kernels::panel_rows * into.in() + 1);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const matrix_part& part = *parts[i];
        if (part.count == 0) continue;
        const std::size_t first_panel = part.to / kernels::panel_rows;
        const std::size_t last_panel = (part.to + part.count - 1) / kernels::panel_rows + 1;
        parallel_for_throwing(
            from.on(), last_panel - first_panel, grain, [&](std::size_t, std::size_t a, std::size_t b) {
                const std::size_t to = std::max(part.to, (first_panel + a) * kernels::panel_rows);
                const std::size_t end = std::min(part.to + part.count, (first_panel + b) * kernels::panel_rows);
                const std::size_t first = part.first + to - part.to;
                if (kernels::take_rows(*tensors[i], first, end - to, into.weight(), to)) return;
                read_rows(from, *tensors[i], first, end - to, [&](std::size_t row, matrix_view<const float> values) {
                    into.weight().set_rows(to + row - first, values);
                });
            });
        const std::size_t row = tensors[i]->bytes.size() / std::max<std::size_t>(1, part.stored_rows);
        from.consume(tensors[i]->bytes.subspan(part.first * row, part.count * row));
    }
}
/// The same for transposes, each of which is read as a whole.
template <class Linear>
void set_transposed_parts(const checkpoint& from, std::span<const matrix_part* const> parts,
                          std::span<const tensor_view* const> tensors, Linear& into) {
    std::vector<float> values;
    const tensor_view* held = nullptr;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (held != tensors[i]) {
            held = tensors[i];
            values.resize(held->element_count());
            to_floats(*held, values, from.source());
        }
        const matrix_view<const float> columns(values.data(), into.in(), parts[i]->stored_rows);
        into.weight().set_rows_transposed(parts[i]->to, columns.cols(parts[i]->first, parts[i]->count));
        if (i + 1 == parts.size() || tensors[i + 1] != held) from.consume(held->bytes);
    }
}

/// Rows of a linear layer that are stored together, in one format.
struct matrix_range {
    std::size_t first_row = 0;
    any_format format;
    std::vector<std::string> tensors;  ///< that of first_row first
};

/// Returns the ranges of a matrix that keeps each of its parts as it is stored: neighbours of the same format share
/// one. Where a part does not begin a panel, all share the format that holds them.
inline std::vector<matrix_range> stored_ranges(std::span<const matrix_part* const> parts,
                                               std::span<const tensor_view* const> tensors) {
    std::vector<matrix_range> ranges;
    const bool separable =
        std::ranges::all_of(parts, [](const matrix_part* part) { return part->to % kernels::panel_rows == 0; });
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const any_format format = kernels::format_of(tensors[i]->type);
        if (ranges.empty() || (separable && !(ranges.back().format == format))) {
            ranges.push_back({parts[i]->to, format, {}});
        }
        matrix_range& range = ranges.back();
        range.format = kernels::common_format(range.format, format);
        if (std::ranges::find(range.tensors, parts[i]->tensor) == range.tensors.end()) {
            range.tensors.push_back(parts[i]->tensor);
        }
    }
    return ranges;
}

/// Attaches the packed matrices that hold the parts: one, or one for each range that has a format of its own.
/// @param parts in the order of their rows
template <class Linear>
std::vector<matrix_range> adopt_parts(const checkpoint& from, std::span<const matrix_part* const> parts, Linear& into) {
    std::vector<matrix_range> ranges;
    std::size_t end = 0;  // of the rows that are attached
    for (const matrix_part* part : parts) {
        if (ranges.empty() || part->to >= end) {
            if (part->to != end || end % kernels::panel_rows != 0) {
                fail(errc::wrong_shape, "packed weights: expected rows up to ", part->to, ", found ", end);
            }
            const packed_weights found = from.packed(part->tensor);
            if constexpr (requires { into.weight().settled(); }) {
                into.weight().adopt(found, part->to);
            } else {
                into.weight().adopt(found);
            }
            end = part->to + found.out;
            ranges.push_back({part->to, {}, {}});
        }
        if (std::ranges::find(ranges.back().tensors, part->tensor) == ranges.back().tensors.end()) {
            ranges.back().tensors.push_back(part->tensor);
        }
    }
    if (end != into.out()) {
        fail(errc::wrong_shape, "packed weights: expected ", into.out(), " rows in total, found ", end);
    }
    return ranges;
}

}  // namespace detail

/// Fills the matrix of a linear layer from tensors of a checkpoint: attaches the packed matrix if the checkpoint stores
/// its matrices packed, copies quantised rows unchanged if the layer's format has the same codes, and otherwise reads
/// and rounds them. A matrix whose format is to be the stored one gets those of the tensors, several if they differ.
/// The layer remembers the tensors' names.
/// @param parts all that form the matrix; one of them goes to row 0
/// @throws error (missing_tensor, wrong_shape, malformed_file, wrong_value), and (mismatch) for packed matrices
template <class Linear>
void fill_matrix(const checkpoint& from, std::span<const matrix_part> parts, Linear& into,
                 matrix_layout layout = matrix_layout::out_in) {
    std::vector<const matrix_part*> in_order;
    for (const matrix_part& part : parts) in_order.push_back(&part);
    std::ranges::stable_sort(in_order, {}, &matrix_part::to);
    if (in_order.empty() || in_order.front()->to != 0) {
        fail(errc::invalid_argument, from.source(), ": no part goes to row 0 of a matrix");
    }
    std::vector<const tensor_view*> tensors;
    for (const matrix_part* part : in_order) {
        tensors.push_back(layout == matrix_layout::out_in
                              ? &find_tensor(from, part->tensor, {part->stored_rows, into.in()})
                              : &find_tensor(from, part->tensor, {into.in(), part->stored_rows}));
    }
    std::vector<detail::matrix_range> ranges;
    if (from.is_packed()) {
        try {
            ranges = detail::adopt_parts(from, in_order, into);
        } catch (const error& e) {
            fail(e.code(), from.source(), ": tensor '", in_order.front()->tensor, "': ", e.what());
        }
    } else {
        ranges = detail::stored_ranges(in_order, tensors);
        bool whole = true;  // in one format
        if constexpr (requires { into.weight().settled(); }) {
            if (!into.weight().settled()) {
                std::vector<std::pair<std::size_t, any_format>> formats;
                for (const detail::matrix_range& range : ranges) formats.emplace_back(range.first_row, range.format);
                into.weight().settle(formats);
                whole = false;
            }
        }
        if (whole) {
            for (std::size_t i = 1; i < ranges.size(); ++i) {
                for (std::string& name : ranges[i].tensors) ranges[0].tensors.push_back(std::move(name));
            }
            ranges.resize(1);
        }
        if (layout == matrix_layout::out_in) {
            detail::set_parts(from, in_order, tensors, into);
        } else {
            detail::set_transposed_parts(from, in_order, tensors, into);
        }
    }
    std::vector<std::vector<std::string>> names;
    for (detail::matrix_range& range : ranges) names.push_back(std::move(range.tensors));
    into.set_tensors(std::move(names));
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
