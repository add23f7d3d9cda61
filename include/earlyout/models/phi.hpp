// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_PHI_HPP
#define EARLYOUT_MODELS_PHI_HPP

#include <earlyout/models/detail/llama_layers.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Phi-1, Phi-1.5 and Phi-2 (Gunasekar et al., 2023): both halves read one layer norm, biases everywhere, rotary
/// positions of a part of each head.
struct phi_architecture : detail::llama_layers {
    static constexpr std::string_view model_type = "phi";
    static constexpr decoder_names names{.prefix = "model.",
                                         .tokens = "embed_tokens",
                                         .positions = "",
                                         .norm = "final_layernorm",
                                         .tied = false,
                                         .output_bias = true};

    template <model_shape Shape>
    using norm = layer_norm<Shape.d_model>;
    template <class Format, model_shape Shape>
    using block = parallel_block<norm<Shape>, self_attention<Format, Shape, rotary>, feed_forward<Format, Shape>>;

    static model_shape shape(const reader& from) { return llama_layers::shape(from, {}); }

    template <model_shape Shape>
    static norm<Shape> read_norm(const reader& from, const std::string& name, const model_shape& s) {
        return from.read_layer_norm<Shape.d_model>(name, s.d_model, from.epsilon("layer_norm_eps", 1e-5));
    }

    template <class Format, model_shape Shape>
    static block<Format, Shape> read_block(const reader& from, const model_shape& s, std::size_t layer, Format format,
                                           weight_arena& arena) {
        const std::string name = "layers." + std::to_string(layer - 1);
        require_attention(from, name + ".self_attn", s, ".dense");
        (void)from.require(name + ".mlp.fc1.weight", {s.d_ff, s.d_model});
        block<Format, Shape> b{read_norm<Shape>(from, name + ".input_layernorm", s),
                               {s, scale(s), format, &arena, read_rotary(from, s, layer, 0, {.part = 0.5})},
                               {s, from.hidden_activation("gelu_new"), format, &arena}};
        read_attention(from, name + ".self_attn", s, {.query_key_value = true, .output = true}, b.attention, ".dense");
        from.fill_linear(name + ".mlp.fc1", true, b.feed_forward.up());
        from.fill_linear(name + ".mlp.fc2", true, b.feed_forward.down());
        return b;
    }
};

/// Phi-1 or Phi-2. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using phi = transformer<phi_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
