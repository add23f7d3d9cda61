// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_GPT_BIGCODE_HPP
#define EARLYOUT_MODELS_GPT_BIGCODE_HPP

#include <earlyout/models/detail/fused_projection.hpp>
#include <earlyout/models/transformer.hpp>
#include <earlyout/nn/attention.hpp>
#include <earlyout/nn/block.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// GPT-BigCode: StarCoder (Li et al., 2023), SantaCoder and Granite's 20B and 34B code models. GPT-2's layers, all
/// queries of which share one key and one value.
struct gpt_bigcode_architecture {
    static constexpr std::string_view model_type = "gpt_bigcode";
    static constexpr decoder_names names{
        .prefix = "transformer.", .tokens = "wte", .positions = "wpe", .norm = "ln_f", .tied = true};

    template <model_shape Shape>
    using norm = layer_norm<Shape.d_model>;
    template <class Format, model_shape Shape>
    using block = pre_norm_block<norm<Shape>, self_attention<Format, Shape>, feed_forward<Format, Shape>>;

    using reader = detail::checkpoint_reader;

    static constexpr model_shape complete(const model_shape& s) noexcept {
        if (s.d_model == 0) return s;
        model_shape made = s.completed();
        made.kv_heads = s.kv_heads;  // those of the checkpoint
        return made;
    }

    static model_shape shape(const reader& from) {
        model_shape s;
        s.layers = from.size("n_layer");
        s.d_model = from.size("n_embd");
        s.heads = from.size("n_head");
        s.kv_heads = from.boolean("multi_query", true) ? 1 : s.heads;
        s.head_dim = from.head_dim(s, "n_embd", "n_head");
        s.d_ff = from.optional_size("n_inner").value_or(0);
        s.vocab = from.size("vocab_size");
        s.context = from.size("n_positions");
        return s.completed();
    }

    template <model_shape Shape>
    static norm<Shape> read_norm(const reader& from, const std::string& name, const model_shape& s) {
        return from.read_layer_norm<Shape.d_model>(name, s.d_model, from.epsilon("layer_norm_epsilon", 1e-5));
    }

    template <class Format, model_shape Shape>
    static block<Format, Shape> read_block(const reader& from, const model_shape& s, std::size_t layer, Format format,
                                           weight_arena& arena) {
        const std::string name = "h." + std::to_string(layer - 1);
        (void)from.require(name + ".attn.c_attn.weight", {s.d_query() + 2 * s.d_kv(), s.d_model});
        (void)from.require(name + ".mlp.c_fc.weight", {s.d_ff, s.d_model});
        const bool scaled = from.boolean("scale_attn_weights", true);
        block<Format, Shape> b{
            read_norm<Shape>(from, name + ".ln_1", s),
            {s, scaled ? 1.0f / std::sqrt(static_cast<float>(s.head_dim)) : 1.0f, format, &arena},
            read_norm<Shape>(from, name + ".ln_2", s),
            {s, from.activation_function("activation_function", "gelu_pytorch_tanh"), format, &arena}};
        // With a key of its own for each query, the rows are head by head.
        const auto order = s.kv_heads == 1 ? detail::fused_order::by_kind : detail::fused_order::by_head;
        detail::read_fused_projection(from, name + ".attn.c_attn", s, order, true, b.attention);
        from.fill_linear(name + ".attn.c_proj", true, b.attention.output());
        from.fill_linear(name + ".mlp.c_fc", true, b.feed_forward.up());
        from.fill_linear(name + ".mlp.c_proj", true, b.feed_forward.down());
        return b;
    }
};

/// GPT-BigCode. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using gpt_bigcode = transformer<gpt_bigcode_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
