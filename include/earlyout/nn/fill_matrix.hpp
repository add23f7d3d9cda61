// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_FILL_MATRIX_HPP
#define EARLYOUT_NN_FILL_MATRIX_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/matrix_view.hpp>
#include <earlyout/nn/stored_rows.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
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

/// Sets the rows of each part, in the matrix's current format.
template <class Linear>
void set_parts(const checkpoint& from, std::span<const matrix_part> parts, std::span<const tensor_view* const> tensors,
               Linear& into) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const matrix_part& part = parts[i];
        if (kernels::take_rows(*tensors[i], part.first, part.count, into.weight(), part.to)) continue;
        read_rows(from, *tensors[i], part.first, part.count, [&](std::size_t row, matrix_view<const float> values) {
            into.weight().set_rows(part.to + row - part.first, values);
        });
    }
}
/// The same for transposes, each of which is read as a whole.
template <class Linear>
void set_transposed_parts(const checkpoint& from, std::span<const matrix_part> parts,
                          std::span<const tensor_view* const> tensors, Linear& into) {
    std::vector<float> values;
    const tensor_view* held = nullptr;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (held != tensors[i]) {
            held = tensors[i];
            values.resize(held->element_count());
            to_floats(*held, values, from.source());
        }
        const matrix_view<const float> columns(values.data(), into.in(), parts[i].stored_rows);
        into.weight().set_rows_transposed(parts[i].to, columns.cols(parts[i].first, parts[i].count));
    }
}

}  // namespace detail

/// Fills the matrix of a linear layer from tensors of a checkpoint: attaches the packed matrix if the checkpoint stores
/// its matrices packed, copies quantised rows unchanged if the layer's format has the same codes, and otherwise reads
/// and rounds them. A matrix whose format is to be the stored one gets the format that holds all of the tensors. The
/// layer remembers the tensors' names.
/// @param parts all that form the matrix; one of them goes to row 0
/// @throws error (missing_tensor, wrong_shape, malformed_file, wrong_value), and (mismatch) for packed matrices
template <class Linear>
void fill_matrix(const checkpoint& from, std::span<const matrix_part> parts, Linear& into,
                 matrix_layout layout = matrix_layout::out_in) {
    std::vector<const tensor_view*> tensors;
    std::vector<std::string> names;  // the tensor of row 0 first
    const matrix_part* begin = nullptr;
    for (const matrix_part& part : parts) {
        tensors.push_back(layout == matrix_layout::out_in
                              ? &find_tensor(from, part.tensor, {part.stored_rows, into.in()})
                              : &find_tensor(from, part.tensor, {into.in(), part.stored_rows}));
        const auto known = std::find(names.begin(), names.end(), part.tensor);
        const auto at = known == names.end() ? names.insert(known, part.tensor) : known;
        if (part.to != 0) continue;
        begin = &part;
        std::iter_swap(names.begin(), at);
    }
    if (begin == nullptr) fail(errc::invalid_argument, from.source(), ": no part goes to row 0 of a matrix");
    if (from.is_packed()) {
        try {
            into.weight().adopt(from.packed(begin->tensor));
        } catch (const error& e) {
            fail(e.code(), from.source(), ": tensor '", begin->tensor, "': ", e.what());
        }
    } else {
        if constexpr (requires { into.weight().settled(); }) {
            any_format common = kernels::format_of(tensors.front()->type);
            for (const tensor_view* tensor : tensors) {
                common = kernels::common_format(common, kernels::format_of(tensor->type));
            }
            into.weight().settle(common);
        }
        if (layout == matrix_layout::out_in) {
            detail::set_parts(from, parts, tensors, into);
        } else {
            detail::set_transposed_parts(from, parts, tensors, into);
        }
    }
    into.set_tensors(std::move(names));
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
