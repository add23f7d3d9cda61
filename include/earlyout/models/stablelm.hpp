// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_STABLELM_HPP
#define EARLYOUT_MODELS_STABLELM_HPP

#include <earlyout/models/detail/llama_layers.hpp>

#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// StableLM (Stability AI, 2023) and Stable Code: Llama with layer norms, of whose heads a part is rotated.
struct stablelm_architecture : detail::gated_llama_layers<stablelm_architecture> {
    static constexpr std::string_view model_type = "stablelm";

    template <model_shape Shape>
    using norm = layer_norm<Shape.d_model>;
    template <class Format, model_shape Shape>
    using block = pre_norm_block<norm<Shape>, self_attention<Format, Shape, rotary>, gated_feed_forward<Format, Shape>>;

    static constexpr absent_sizes absent{.kv_heads = 32, .head_dim = {}};
    static constexpr detail::rotary_defaults rotary_absent{.part = 0.25};
    static biases attention_biases(const reader& from) {
        return {.query_key_value = from.boolean("use_qkv_bias", false), .output = false};
    }
    template <model_shape Shape>
    static norm<Shape> read_norm(const reader& from, const std::string& name, const model_shape& s) {
        return from.read_layer_norm<Shape.d_model>(name, s.d_model, from.epsilon("layer_norm_eps", 1e-5));
    }
};

/// StableLM. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using stablelm = transformer<stablelm_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
