// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_MISTRAL_HPP
#define EARLYOUT_MODELS_MISTRAL_HPP

#include <earlyout/models/detail/llama_layers.hpp>

#include <cstddef>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Mistral (Jiang et al., 2023): Llama with a sliding window of the last `sliding_window` positions.
struct mistral_architecture : detail::gated_llama_layers<mistral_architecture> {
    static constexpr std::string_view model_type = "mistral";

    static constexpr absent_sizes absent{.kv_heads = 8, .head_dim = {}};
    // For Llamas with a window, which GGUF files may hold.
    static biases attention_biases(const reader& from) { return biases_of_key(from); }
    static bool feed_forward_bias(const reader& from) { return from.boolean("mlp_bias", false); }
    /// Absent: 4096, Hugging Face's default; null: all positions.
    static std::size_t window(const reader& from, std::size_t) {
        return from.optional_size("sliding_window", 4096).value_or(0);
    }
};

/// Mistral. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using mistral = transformer<mistral_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
