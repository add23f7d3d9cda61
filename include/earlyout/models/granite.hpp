// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_GRANITE_HPP
#define EARLYOUT_MODELS_GRANITE_HPP

#include <earlyout/models/detail/llama_layers.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Granite 3 (IBM, 2024; dense): Llama with multipliers of embeddings, attention scores, both halves of a layer, and
/// logits.
struct granite_architecture : detail::gated_llama_layers<granite_architecture> {
    static constexpr std::string_view model_type = "granite";
    static constexpr std::string_view applied[]{"embedding_multiplier", "attention_multiplier", "residual_multiplier",
                                                "logits_scaling"};

    template <class Format, model_shape Shape>
    using block = pre_norm_block<norm<Shape>, self_attention<Format, Shape, rotary>, gated_feed_forward<Format, Shape>,
                                 scaled_residual>;
    using scaling = model_scaling;

    static biases attention_biases(const reader& from) { return biases_of_key(from); }
    static bool feed_forward_bias(const reader& from) { return from.boolean("mlp_bias", false); }
    static float scale(const reader& from, const model_shape&) { return from.factor("attention_multiplier", 1.0); }

    template <class Format, model_shape Shape>
    static block<Format, Shape> read_block(const reader& from, const model_shape& s, std::size_t layer, Format format,
                                           weight_arena& arena) {
        auto made = gated_llama_layers::read_block<Format, Shape>(from, s, layer, format, arena);
        made.residual.factor = from.factor("residual_multiplier", 1.0);
        return made;
    }

    /// The divisor of the logits divides the weight of the norm before the output matrix.
    template <model_shape Shape>
    static norm<Shape> read_final_norm(const reader& from, const model_shape& s) {
        const float divisor = from.factor("logits_scaling", 1.0);
        std::vector<float> weight = from.tensor(std::string(names.norm) + ".weight", {s.d_model});
        for (float& w : weight) w /= divisor;
        return {std::move(weight), from.epsilon("rms_norm_eps", 1e-6)};
    }
    static model_scaling read_scaling(const reader& from, const model_shape&) {
        return model_scaling(from.factor("embedding_multiplier", 1.0));
    }
};

/// Granite. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using granite = transformer<granite_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
