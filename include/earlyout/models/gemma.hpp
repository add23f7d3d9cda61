// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_GEMMA_HPP
#define EARLYOUT_MODELS_GEMMA_HPP

#include <earlyout/models/detail/gemma_layers.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Gemma (Gemma Team, 2024) and CodeGemma: Llama's layers with the norms, embeddings and GELU of gemma_layers.
struct gemma_architecture : detail::gemma_layers {
    static constexpr std::string_view model_type = "gemma";

    template <model_shape Shape>
    using norm = rms_norm<Shape.d_model>;
    template <class Format, model_shape Shape>
    using block = pre_norm_block<norm<Shape>, self_attention<Format, Shape, rotary>, gated_feed_forward<Format, Shape>>;

    static model_shape shape(const reader& from) {
        return gemma_layers::shape(from, {.kv_heads = 16, .head_dim = 256});
    }
    template <model_shape Shape>
    static norm<Shape> read_norm(const reader& from, const std::string& name, const model_shape& s) {
        return read_norm_of<Shape.d_model>(from, name, s.d_model);
    }
    static model_scaling read_scaling(const reader&, const model_shape& s) {
        return model_scaling(embedding_factor(s));
    }

    template <class Format, model_shape Shape>
    static block<Format, Shape> read_block(const reader& from, const model_shape& s, std::size_t layer, Format format,
                                           weight_arena& arena) {
        const std::string name = "layers." + std::to_string(layer - 1);
        require_attention(from, name + ".self_attn", s);
        require_gated(from, name + ".mlp", s);
        block<Format, Shape> b{read_norm<Shape>(from, name + ".input_layernorm", s),
                               {s, scale(s), format, &arena, read_rotary(from, s, layer, 0)},
                               read_norm<Shape>(from, name + ".post_attention_layernorm", s),
                               {s, feed_forward_activation(from), format, &arena}};
        read_attention(from, name + ".self_attn", s, biases_of_key(from), b.attention);
        read_gated(from, name + ".mlp", s, false, b.feed_forward);
        return b;
    }
};

/// Gemma. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using gemma = transformer<gemma_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
