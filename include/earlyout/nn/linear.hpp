// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_LINEAR_HPP
#define EARLYOUT_NN_LINEAR_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/core/extent.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/kernels/any_format.hpp>
#include <earlyout/kernels/logit_summary.hpp>
#include <earlyout/nn/run_context.hpp>
#include <earlyout/weights/packed_weights.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Computes y = x Wᵀ + b with W: [out, in]. `In` may be fixed at compile time.
template <class Format = f32, std::size_t In = dynamic>
class linear {
public:
    linear() = default;
    /// Makes all-zero weights of the given shape, to be filled by the functions below.
    linear(std::size_t out, std::size_t in, std::string_view what = "linear", Format format = {},
           weight_arena* arena = nullptr)
        : in_(in, what), weight_(out, in, format, arena), bias_(out) {}

    [[nodiscard]] std::size_t out() const noexcept { return weight_.out(); }
    [[nodiscard]] std::size_t in() const noexcept { return weight_.in(); }
    [[nodiscard]] const packed_matrix<Format>& weight() const noexcept { return weight_; }
    [[nodiscard]] packed_matrix<Format>& weight() noexcept { return weight_; }
    [[nodiscard]] std::span<float> bias() noexcept { return bias_.span(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return weight_.bytes() + bias_.bytes(); }

    /// Records the names of the tensors that the weights were filled from, that of row 0 first; one list for each range
    /// of rows that has a format of its own.
    void set_tensors(std::vector<std::vector<std::string>> names) noexcept { tensors_ = std::move(names); }
    /// Calls visit(names of the tensors that it was filled from, the matrix) for each range of rows with its own
    /// format.
    void visit_matrices(matrix_visitor visit) const {
        static const std::vector<std::string> none;
        const auto visit_range = [&](std::size_t index, const packed_weights& weights) {
            visit(index < tensors_.size() ? tensors_[index] : none, weights);
        };
        if constexpr (std::is_same_v<Format, any_format>) {
            weight_.share(visit_range);
        } else {
            visit_range(0, weight_.share());
        }
    }

    /// Returns the bytes of scratch memory that a product of `tokens` tokens takes: their rounded activations, if the
    /// format rounds them.
    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens) const noexcept {
        return earlyout::scratch_bytes<std::byte>(kernels::quantized_rows::bytes(tokens, in())) +
               earlyout::scratch_bytes<kernels::logit_summary>(std::min(tokens, summary_rows) * summary_blocks());
    }

    /// Computes y = x Wᵀ + b. x: [tokens, in], y: [tokens, out]
    void operator()(matrix_view<const float> x, matrix_view<float> y, run_context& context) const {
        rows_from(0, x, y, context);
    }

    /// Computes the output rows from `first_row` (a multiple of 32) on; the other columns of y keep their values.
    void rows_from(std::size_t first_row, matrix_view<const float> x, matrix_view<float> y,
                   run_context& context) const {
        constexpr std::size_t products_worth_a_piece = 1 << 17;
        constexpr std::size_t values_worth_a_piece = 1 << 13;
        const std::size_t first_panel = first_row / kernels::panel_rows;
        const std::size_t grain =
            std::max<std::size_t>(1, products_worth_a_piece / (kernels::panel_rows * in() * x.rows() + 1));
        context.count_bytes(first_panel == 0 ? bytes()
                                             : weight_.bytes_from(first_panel) +
                                                   (out() - std::min(first_row, out())) * sizeof(float));
        scratch_frame frame(context.scratch());
        kernels::quantized_rows rounded = rounded_rows(frame, x);
        executor& on = context.threads();
        const auto for_rows = [&](std::size_t rows, auto body) {
            parallel_for(on, rows, 1 + values_worth_a_piece / (in() + 1),
                         [&](std::size_t, std::size_t begin, std::size_t end) { body(begin, end); });
        };
        const auto inputs = kernels::prepare(weight_, x, rounded, for_rows);
        parallel_for(on, weight_.panels() - first_panel, grain, [&](std::size_t, std::size_t begin, std::size_t end) {
            kernels::multiply(weight_, inputs, in_, bias_.data(), y, first_panel + begin, first_panel + end);
        });
    }

    /// Max rows that summarize() takes: what a block of logits of each takes fits the second cache and a thread's
    /// stack.
    static constexpr std::size_t summary_rows = 32;

    /// Summarises f(y) of each row block by block as y is computed, without storing it. The weights are read once for
    /// all rows; the bits of a row's summary do not depend on the others.
    /// @param x   [rows, in], at most summary_rows
    /// @param out [rows]
    /// @param f   changes elements in place: f(elements, count)
    template <class F>
    void summarize(matrix_view<const float> x, std::span<kernels::logit_summary> out, run_context& context, F f) const {
        // One row is common, and needs little of the stack.
        if (x.rows() == 1) {
            summarize_up_to<1>(x, out, context, f);
        } else {
            summarize_up_to<summary_rows>(x, out, context, f);
        }
    }
    void summarize(matrix_view<const float> x, std::span<kernels::logit_summary> out, run_context& context) const {
        summarize(x, out, context, [](float*, std::size_t) {});
    }

    /// Allocates a matrix for `rows` rows of this one, in its format; see gather().
    [[nodiscard]] linear room_for(std::size_t rows) const {
        return linear(rows, in(), "gathered rows", weight_.format());
    }
    /// Copies row rows[i] of this one to row i of `into`, with the same bits in products.
    /// @param rows as many as `into` has
    void gather(std::span<const token_id> rows, linear& into, run_context& context) const {
        constexpr std::size_t weights_worth_a_piece = 1 << 15;
        for (std::size_t i = 0; i < rows.size(); ++i) into.bias_[i] = bias_[static_cast<std::size_t>(rows[i])];
        context.count_bytes(weight_.gather_bytes(rows.size()));
        parallel_for(
            context.threads(), into.weight_.panels(), 1 + weights_worth_a_piece / (kernels::panel_rows * in() + 1),
            [&](std::size_t, std::size_t begin, std::size_t end) { into.weight_.gather(weight_, rows, begin, end); });
    }

private:
    template <std::size_t MaxRows, class F>
    void summarize_up_to(matrix_view<const float> x, std::span<kernels::logit_summary> out, run_context& context,
                         F f) const {
        constexpr std::size_t products_worth_a_piece = 1 << 17;
        constexpr std::size_t block = kernels::summary_block, panels = block / kernels::panel_rows;
        const std::size_t tokens = x.rows(), count = summary_blocks();
        context.count_bytes(bytes());
        scratch_frame frame(context.scratch());
        kernels::quantized_rows rounded = rounded_rows(frame, x);
        const std::span<kernels::logit_summary> blocks = frame.take<kernels::logit_summary>(tokens * count);
        const auto here = [](std::size_t rows, auto body) { body(std::size_t{0}, rows); };
        const auto input = kernels::prepare(weight_, x, rounded, here);
        parallel_for(context.threads(), count, 1 + products_worth_a_piece / (block * in() * tokens + 1),
                     [&](std::size_t, std::size_t begin, std::size_t end) {
                         alignas(64) float values[block * MaxRows];
                         for (std::size_t b = begin; b < end; ++b) {
                             const std::size_t first = b * block, rows = std::min(block, this->out() - first);
                             kernels::multiply(weight_, input, in_, bias_.data(), {values, tokens, rows}, b * panels,
                                               std::min((b + 1) * panels, weight_.panels()), default_arch{}, first);
                             for (std::size_t i = 0; i < tokens; ++i) {
                                 f(values + i * rows, rows);
                                 blocks[i * count + b] = kernels::summarize_block(values + i * rows, rows, first);
                             }
                         }
                     });
        for (std::size_t i = 0; i < tokens; ++i) out[i] = kernels::merge(blocks.subspan(i * count, count));
    }
    [[nodiscard]] std::size_t summary_blocks() const noexcept {
        return (out() + kernels::summary_block - 1) / kernels::summary_block;
    }
    [[nodiscard]] static kernels::quantized_rows rounded_rows(scratch_frame& frame,
                                                              matrix_view<const float> x) noexcept {
        return {frame.take<std::byte>(kernels::quantized_rows::bytes(x.rows(), x.cols())).data(), x.rows(), x.cols()};
    }

    [[no_unique_address]] extent<In> in_;
    packed_matrix<Format> weight_;
    aligned_buffer<float> bias_;
    std::vector<std::vector<std::string>> tensors_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
