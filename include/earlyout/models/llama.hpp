// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_LLAMA_HPP
#define EARLYOUT_MODELS_LLAMA_HPP

#include <earlyout/models/detail/llama_layers.hpp>

#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Llama 1 to 3.2 (Touvron et al., 2023; Dubey et al., 2024), and models stored in the same layout: RMS norm before
/// each half, rotary positions, grouped queries, SwiGLU.
struct llama_architecture : detail::gated_llama_layers<llama_architecture> {
    static constexpr std::string_view model_type = "llama";

    static biases attention_biases(const reader& from) { return biases_of_key(from); }
    static bool feed_forward_bias(const reader& from) { return from.boolean("mlp_bias", false); }
};

/// Llama. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using llama = transformer<llama_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
