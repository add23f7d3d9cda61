// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_LINEAR_HPP
#define EARLYOUT_NN_LINEAR_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/any_format.hpp>

#include <algorithm>
#include <span>
#include <utility>

namespace earlyout::inline EARLYOUT_ABI {

/// y = x Wᵀ + b with W: [out, in]. `In` may be fixed at compile time.
template <class Format = f32, std::size_t In = dynamic>
class linear {
public:
    linear() = default;
    /// All-zero weights of the given shape, to be filled by the functions below.
    linear(std::size_t out, std::size_t in, std::string_view what = "linear", Format format = {})
        : in_(in, what), weight_(out, in, format), bias_(out) {}

    [[nodiscard]] std::size_t out() const noexcept { return weight_.out(); }
    [[nodiscard]] std::size_t in() const noexcept { return weight_.in(); }
    [[nodiscard]] const packed_matrix<Format>& weight() const noexcept { return weight_; }
    [[nodiscard]] packed_matrix<Format>& weight() noexcept { return weight_; }
    [[nodiscard]] std::span<float> bias() noexcept { return bias_.span(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return weight_.bytes() + bias_.bytes(); }

    /// x: [tokens, in], y: [tokens, out].
    void operator()(matrix_view<const float> x, matrix_view<float> y, executor& on) const { rows_from(0, x, y, on); }

    /// The same for the output rows from `first_row` (a multiple of 32) on; the other columns of y keep
    /// their values.
    void rows_from(std::size_t first_row, matrix_view<const float> x, matrix_view<float> y, executor& on) const {
        constexpr std::size_t products_worth_a_piece = 1 << 17;
        const std::size_t first_panel = first_row / kernels::panel_rows;
        const std::size_t grain =
            std::max<std::size_t>(1, products_worth_a_piece / (kernels::panel_rows * in() * x.rows() + 1));
        parallel_for(on, weight_.panels() - first_panel, grain, [&](std::size_t, std::size_t begin, std::size_t end) {
            kernels::multiply(weight_, x, in_, bias_.data(), y, first_panel + begin, first_panel + end);
        });
    }

private:
    [[no_unique_address]] extent<In> in_;
    packed_matrix<Format> weight_;
    aligned_buffer<float> bias_;
};

}  // namespace earlyout::inline EARLYOUT_ABI

#endif
