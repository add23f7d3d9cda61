// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_QWEN3_HPP
#define EARLYOUT_MODELS_QWEN3_HPP

#include <earlyout/models/detail/qwen_window.hpp>
#include <earlyout/nn/head_norm.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

template <model_shape Shape>
using normed_rotary = normed_heads<rotary, Shape.head_dim>;

}  // namespace detail

/// Qwen3 (Yang et al., 2025): Llama whose queries and keys are normalised head by head.
struct qwen3_architecture : detail::gated_llama_layers<qwen3_architecture, detail::normed_rotary> {
    static constexpr std::string_view model_type = "qwen3";
    static constexpr std::string_view applied[]{"use_qk_norm", "qk_norm"};

    static constexpr absent_sizes absent{.kv_heads = 32, .head_dim = 128};
    template <model_shape Shape>
    static detail::normed_rotary<Shape> read_positions(const reader& from, const std::string& attention,
                                                       const model_shape& s, rotary turns) {
        const float epsilon = from.epsilon("rms_norm_eps", 1e-6);
        return {from.read_rms_norm<Shape.head_dim>(attention + ".q_norm", s.head_dim, epsilon),
                from.read_rms_norm<Shape.head_dim>(attention + ".k_norm", s.head_dim, epsilon), std::move(turns)};
    }
    static biases attention_biases(const reader& from) { return biases_of_key(from); }
    static std::size_t window(const reader& from, std::size_t layer) { return detail::qwen_window(from, layer); }
};

/// Qwen3. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using qwen3 = transformer<qwen3_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
