// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_STARCODER2_HPP
#define EARLYOUT_MODELS_STARCODER2_HPP

#include <earlyout/models/detail/llama_layers.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// StarCoder2 (Lozhkov et al., 2024): layer norms, biases, rotary positions, grouped queries, a sliding window, and a
/// feed-forward without a gate.
struct starcoder2_architecture : detail::llama_layers {
    static constexpr std::string_view model_type = "starcoder2";
    static constexpr decoder_names names{
        .prefix = "model.", .tokens = "embed_tokens", .positions = "", .norm = "norm", .tied = true};

    template <model_shape Shape>
    using norm = layer_norm<Shape.d_model>;
    template <class Format, model_shape Shape>
    using block = pre_norm_block<norm<Shape>, self_attention<Format, Shape, rotary>, feed_forward<Format, Shape>>;

    static model_shape shape(const reader& from) {
        (void)from.text("norm_type", {"layer_norm"}, "layer_norm");
        (void)from.text("mlp_type", {"default"}, "default");
        return llama_layers::shape(from, {.kv_heads = 2, .head_dim = {}});
    }

    template <model_shape Shape>
    static norm<Shape> read_norm(const reader& from, const std::string& name, const model_shape& s) {
        return from.read_layer_norm<Shape.d_model>(name, s.d_model, from.epsilon("norm_epsilon", 1e-5));
    }

    template <class Format, model_shape Shape>
    static block<Format, Shape> read_block(const reader& from, const model_shape& s, std::size_t layer, Format format,
                                           weight_arena& arena) {
        const std::string name = "layers." + std::to_string(layer - 1);
        const bool bias = from.boolean("use_bias", true);
        require_attention(from, name + ".self_attn", s);
        (void)from.require(name + ".mlp.c_fc.weight", {s.d_ff, s.d_model});
        const std::size_t window = from.optional_size("sliding_window").value_or(0);
        block<Format, Shape> b{read_norm<Shape>(from, name + ".input_layernorm", s),
                               {s, scale(s), format, &arena, read_rotary(from, s, layer, window), window},
                               read_norm<Shape>(from, name + ".post_attention_layernorm", s),
                               {s, from.hidden_activation("gelu_pytorch_tanh"), format, &arena}};
        read_attention(from, name + ".self_attn", s, {.query_key_value = bias, .output = bias}, b.attention);
        from.fill_linear(name + ".mlp.c_fc", bias, b.feed_forward.up());
        from.fill_linear(name + ".mlp.c_proj", bias, b.feed_forward.down());
        return b;
    }
};

/// StarCoder2. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using starcoder2 = transformer<starcoder2_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
