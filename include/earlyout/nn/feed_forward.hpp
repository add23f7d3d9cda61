// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_FEED_FORWARD_HPP
#define EARLYOUT_NN_FEED_FORWARD_HPP

#include <earlyout/kernels/activations.hpp>
#include <earlyout/nn/linear.hpp>
#include <earlyout/nn/workspace.hpp>

#include <cstdint>

namespace earlyout::inline EARLYOUT_ABI {

/// The non-linearity between a feed-forward's two matrices.
enum class activation : std::uint8_t { gelu_tanh, gelu_erf, relu, silu };

/// x = f(x) in place. x: [n]
inline void apply(activation f, float* x, std::size_t n) noexcept {
    switch (f) {
        case activation::gelu_tanh: return kernels::gelu_tanh(x, n);
        case activation::gelu_erf: return kernels::gelu_erf(x, n);
        case activation::relu: return kernels::relu(x, n);
        case activation::silu: return kernels::silu(x, n);
    }
}

/// W2 f(W1 x + b1) + b2 with W1: [d_ff, d_model], W2: [d_model, d_ff].
template <class Format = f32, model_shape Shape = model_shape{}>
class feed_forward {
public:
    feed_forward() = default;
    /// All-zero weights, to be filled through up() and down().
    feed_forward(const model_shape& shape, activation f, Format format = {}, weight_arena* arena = nullptr)
        : activation_(f),
          up_(shape.d_ff, shape.d_model, "feed-forward input", format, arena),
          down_(shape.d_model, shape.d_ff, "feed-forward output", format, arena) {}

    [[nodiscard]] linear<Format, Shape.d_model>& up() noexcept { return up_; }
    [[nodiscard]] linear<Format, Shape.d_ff>& down() noexcept { return down_; }

    /// normed, update: [tokens, d_model].
    void operator()(matrix_view<const float> normed, matrix_view<float> update, workspace& scratch,
                    executor& on) const {
        const matrix_view<float> inner = scratch.inner(normed.rows());
        up_(normed, inner, scratch.rounded(), on);
        const std::size_t grain = 1 + (std::size_t{1} << 14) / inner.cols();
        parallel_for(on, inner.rows(), grain, [&](std::size_t, std::size_t begin, std::size_t end) {
            apply(activation_, inner.row(begin), (end - begin) * inner.cols());
        });
        down_(inner, update, scratch.rounded(), on);
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return up_.bytes() + down_.bytes(); }
    [[nodiscard]] const char* format_name() const noexcept { return up_.weight().format_name(); }

private:
    activation activation_ = activation::gelu_tanh;
    linear<Format, Shape.d_model> up_;
    linear<Format, Shape.d_ff> down_;
};

}  // namespace earlyout::inline EARLYOUT_ABI

#endif
