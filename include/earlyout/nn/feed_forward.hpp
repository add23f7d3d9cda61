// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_FEED_FORWARD_HPP
#define EARLYOUT_NN_FEED_FORWARD_HPP

#include <earlyout/kernels/activations.hpp>
#include <earlyout/nn/linear.hpp>
#include <earlyout/nn/run_context.hpp>

#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The activation function between a feed-forward's two matrices.
enum class activation : std::uint8_t {
    gelu_tanh,
    gelu_erf,
    relu,
    silu,
    clamped_swish  ///< gpt-oss's; a gated feed-forward then also has its gating, see kernels::multiply_clamped
};

/// Computes x = f(x) in place. x: [n]
inline void apply(activation f, float* x, std::size_t n) noexcept {
    switch (f) {
        case activation::gelu_tanh: return kernels::gelu_tanh(x, n);
        case activation::gelu_erf: return kernels::gelu_erf(x, n);
        case activation::relu: return kernels::relu(x, n);
        case activation::silu: return kernels::silu(x, n);
        case activation::clamped_swish: return kernels::clamped_swish(x, n);
    }
}

/// Computes W2 f(W1 x + b1) + b2 with W1: [d_ff, d_model], W2: [d_model, d_ff].
template <class Format = f32, model_shape Shape = model_shape{}>
class feed_forward {
public:
    feed_forward() = default;
    /// Makes all-zero weights, to be filled through up() and down().
    feed_forward(const model_shape& shape, activation f, Format format = {}, weight_arena* arena = nullptr)
        : activation_(f),
          up_(shape.d_ff, shape.d_model, "feed-forward input", format, arena),
          down_(shape.d_model, shape.d_ff, "feed-forward output", format, arena) {}

    [[nodiscard]] linear<Format, Shape.d_model>& up() noexcept { return up_; }
    [[nodiscard]] linear<Format, Shape.d_ff>& down() noexcept { return down_; }

    /// Runs the layer. normed, update: [tokens, d_model].
    void operator()(matrix_view<const float> normed, matrix_view<float> update, run_context& context) const {
        scratch_frame frame(context.scratch());
        const matrix_view<float> inner = frame.matrix(normed.rows(), up_.out());
        up_(normed, inner, context);
        const std::size_t grain = 1 + (std::size_t{1} << 14) / inner.cols();
        parallel_for(context.threads(), inner.rows(), grain, [&](std::size_t, std::size_t begin, std::size_t end) {
            apply(activation_, inner.row(begin), (end - begin) * inner.cols());
        });
        down_(inner, update, context);
    }

    /// Returns the bytes of scratch memory that `tokens` tokens take.
    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens) const noexcept {
        return earlyout::scratch_bytes<float>(tokens * up_.out()) +
               std::max(up_.scratch_bytes(tokens), down_.scratch_bytes(tokens));
    }
    void visit_matrices(matrix_visitor visit) const {
        up_.visit_matrices(visit);
        down_.visit_matrices(visit);
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return up_.bytes() + down_.bytes(); }
    [[nodiscard]] const char* format_name() const noexcept { return up_.weight().format_name(); }

private:
    activation activation_ = activation::gelu_tanh;
    linear<Format, Shape.d_model> up_;
    linear<Format, Shape.d_ff> down_;
};

/// Computes x = f(x) g in place, with g = y or what belongs to f. x, y: [n]
inline void apply_gated(activation f, float* x, const float* y, std::size_t n) noexcept {
    apply(f, x, n);
    if (f == activation::clamped_swish) return kernels::multiply_clamped(x, y, n);
    kernels::multiply_elements(x, y, n);
}

/// Computes W3 (f(W1 x + b1) * (W2 x + b2)) + b3, element by element (Shazeer, 2020, "GLU Variants"; SwiGLU with silu):
/// W1, W2: [d_ff, d_model], W3: [d_model, d_ff]. W1 and W2 are one matrix, read in one product.
template <class Format = f32, model_shape Shape = model_shape{}>
class gated_feed_forward {
public:
    gated_feed_forward() = default;
    /// Makes all-zero weights, to be filled through gate_up() and down().
    gated_feed_forward(const model_shape& shape, activation f, Format format = {}, weight_arena* arena = nullptr)
        : activation_(f),
          up_column_(round_up(shape.d_ff, kernels::panel_rows)),
          gate_up_(up_column_ + shape.d_ff, shape.d_model, "feed-forward input", format, arena),
          down_(shape.d_model, shape.d_ff, "feed-forward output", format, arena) {}

    /// Returns W1 and W2 in one matrix: rows [0, d_ff) are W1, the rows from up_row() on W2, which begin a panel.
    [[nodiscard]] linear<Format, Shape.d_model>& gate_up() noexcept { return gate_up_; }
    [[nodiscard]] std::size_t up_row() const noexcept { return up_column_; }
    [[nodiscard]] linear<Format, Shape.d_ff>& down() noexcept { return down_; }

    /// Runs the layer. normed, update: [tokens, d_model].
    void operator()(matrix_view<const float> normed, matrix_view<float> update, run_context& context) const {
        scratch_frame frame(context.scratch());
        const matrix_view<float> both = frame.matrix(normed.rows(), gate_up_.out());
        gate_up_(normed, both, context);
        const std::size_t d_ff = both.cols() - up_column_;
        const std::size_t grain = 1 + (std::size_t{1} << 14) / d_ff;
        parallel_for(context.threads(), both.rows(), grain, [&](std::size_t, std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                apply_gated(activation_, both.row(i), both.row(i) + up_column_, d_ff);
            }
        });
        down_(both.cols(0, d_ff), update, context);
    }

    /// Returns the bytes of scratch memory that `tokens` tokens take.
    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens) const noexcept {
        return earlyout::scratch_bytes<float>(tokens * gate_up_.out()) +
               std::max(gate_up_.scratch_bytes(tokens), down_.scratch_bytes(tokens));
    }
    void visit_matrices(matrix_visitor visit) const {
        gate_up_.visit_matrices(visit);
        down_.visit_matrices(visit);
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return gate_up_.bytes() + down_.bytes(); }
    [[nodiscard]] const char* format_name() const noexcept { return down_.weight().format_name(); }

private:
    activation activation_ = activation::silu;
    std::size_t up_column_ = 0;
    linear<Format, Shape.d_model> gate_up_;
    linear<Format, Shape.d_ff> down_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
