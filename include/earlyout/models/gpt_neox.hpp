// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_GPT_NEOX_HPP
#define EARLYOUT_MODELS_GPT_NEOX_HPP

#include <earlyout/models/detail/fused_projection.hpp>
#include <earlyout/models/detail/llama_layers.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// GPT-NeoX (Black et al., 2022) and Pythia: a layer norm for each half, both of the layer's input, biases, rotary
/// positions of a part of each head.
struct gpt_neox_architecture : detail::llama_layers {
    static constexpr std::string_view model_type = "gpt_neox";
    static constexpr decoder_names names{.prefix = "gpt_neox.",
                                         .tokens = "embed_in",
                                         .positions = "",
                                         .norm = "final_layer_norm",
                                         .tied = false,
                                         .output = "embed_out"};
    static constexpr std::string_view applied[]{"use_parallel_residual", "rotary_pct"};

    template <model_shape Shape>
    using norm = layer_norm<Shape.d_model>;
    template <class Format, model_shape Shape>
    using block = two_norm_block<norm<Shape>, self_attention<Format, Shape, rotary>, feed_forward<Format, Shape>>;

    static model_shape shape(const reader& from) { return llama_layers::shape(from, {}); }

    template <model_shape Shape>
    static norm<Shape> read_norm(const reader& from, const std::string& name, const model_shape& s) {
        return from.read_layer_norm<Shape.d_model>(name, s.d_model, from.epsilon("layer_norm_eps", 1e-5));
    }

    template <class Format, model_shape Shape>
    static block<Format, Shape> read_block(const reader& from, const model_shape& s, std::size_t layer, Format format,
                                           weight_arena& arena) {
        const std::string name = "layers." + std::to_string(layer - 1);
        (void)from.require(name + ".attention.query_key_value.weight", {3 * s.d_query(), s.d_model});
        (void)from.require(name + ".mlp.dense_h_to_4h.weight", {s.d_ff, s.d_model});
        constexpr detail::rotary_defaults absent{
            .theta_key = "rotary_emb_base", .part = 0.25, .part_key = "rotary_pct"};
        const bool parallel = from.boolean("use_parallel_residual", true);
        pre_norm_block<norm<Shape>, self_attention<Format, Shape, rotary>, feed_forward<Format, Shape>> halves{
            read_norm<Shape>(from, name + ".input_layernorm", s),
            {s, scale(s), format, &arena, read_rotary(from, s, layer, 0, absent)},
            read_norm<Shape>(from, name + ".post_attention_layernorm", s),
            {s, from.hidden_activation("gelu"), format, &arena}};
        block<Format, Shape> b{std::move(halves), parallel};
        const bool bias = from.boolean("attention_bias", true);
        // In a GGUF file, all queries come first, then all keys.
        const bool by_head = from.text("query_key_value_layout", {"by_head", "by_kind"}, "by_head") == "by_head";
        detail::read_fused_projection(from, name + ".attention.query_key_value", s,
                                      by_head ? detail::fused_order::by_head : detail::fused_order::by_kind, bias,
                                      b.attention);
        from.fill_linear(name + ".attention.dense", bias, b.attention.output());
        from.fill_linear(name + ".mlp.dense_h_to_4h", true, b.feed_forward.up());
        from.fill_linear(name + ".mlp.dense_4h_to_h", true, b.feed_forward.down());
        return b;
    }
};

/// GPT-NeoX. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using gpt_neox = transformer<gpt_neox_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
