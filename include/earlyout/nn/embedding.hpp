// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_EMBEDDING_HPP
#define EARLYOUT_NN_EMBEDDING_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/matrix_view.hpp>
#include <earlyout/core/token.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace earlyout::inline EARLYOUT_ABI {

/// A table of rows, [count, d_model].
class embedding {
public:
    embedding() = default;
    embedding(std::size_t d_model, std::span<const float> rows) : d_model_(d_model), rows_(rows.size()) {
        std::copy(rows.begin(), rows.end(), rows_.data());
    }

    /// `count` rows of zeros, to be filled by set_rows().
    embedding(std::size_t d_model, std::size_t count) : d_model_(d_model), rows_(count * d_model) {}

    void set_rows(std::size_t first_row, matrix_view<const float> source) noexcept {
        for (std::size_t r = 0; r < source.rows(); ++r) {
            std::copy_n(source.row(r), d_model_, rows_.data() + (first_row + r) * d_model_);
        }
    }

    [[nodiscard]] bool empty() const noexcept { return rows_.size() == 0; }
    [[nodiscard]] const float* row(std::size_t index) const noexcept { return rows_.data() + index * d_model_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return rows_.bytes(); }

private:
    std::size_t d_model_ = 0;
    aligned_buffer<float> rows_;
};

}  // namespace earlyout::inline EARLYOUT_ABI

#endif
