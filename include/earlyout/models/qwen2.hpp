// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_QWEN2_HPP
#define EARLYOUT_MODELS_QWEN2_HPP

#include <earlyout/models/detail/qwen_window.hpp>

#include <cstddef>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Qwen2 and Qwen2.5 (Yang et al., 2024): Llama with biases on queries, keys and values.
struct qwen2_architecture : detail::gated_llama_layers<qwen2_architecture> {
    static constexpr std::string_view model_type = "qwen2";

    static constexpr absent_sizes absent{.kv_heads = 32, .head_dim = {}};
    static biases attention_biases(const reader&) { return {.query_key_value = true, .output = false}; }
    static std::size_t window(const reader& from, std::size_t layer) { return detail::qwen_window(from, layer); }
};

/// Qwen2. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using qwen2 = transformer<qwen2_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
