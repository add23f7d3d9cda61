// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_DETAIL_GEMMA_LAYERS_HPP
#define EARLYOUT_MODELS_DETAIL_GEMMA_LAYERS_HPP

#include <earlyout/models/detail/llama_layers.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// What the generations of Gemma have in common: embeddings times sqrt(d_model), tied; RMS norms whose weights are
/// stored less 1; a gated feed-forward with the tanh form of GELU.
struct gemma_layers : llama_layers {
    static constexpr decoder_names names{
        .prefix = "model.", .tokens = "embed_tokens", .positions = "", .norm = "norm", .tied = true};
    using scaling = model_scaling;

    static model_shape shape(const reader& from, const absent_sizes& absent) {
        model_shape s = llama_layers::shape(from, absent);
        s.gated = true;
        return s;
    }
    static float embedding_factor(const model_shape& s) { return std::sqrt(static_cast<float>(s.d_model)); }

    /// llama.cpp stores the sum in a GGUF file.
    template <std::size_t Size>
    static rms_norm<Size> read_norm_of(const reader& from, const std::string& name, std::size_t size) {
        std::vector<float> weight = from.tensor(name + ".weight", {size});
        if (from.text("norm_weights", {"less_one", "whole"}, "less_one") == "less_one") {
            for (float& w : weight) w += 1.0f;
        }
        return {std::move(weight), from.epsilon("rms_norm_eps", 1e-6)};
    }
    /// Returns that of `hidden_activation`, by default the tanh form of GELU. `hidden_act` is older, and "gelu" there
    /// meant that form too.
    static activation feed_forward_activation(const reader& from) {
        if (!from.text("hidden_activation")) {
            (void)from.text("hidden_act", {"gelu", "gelu_new", "gelu_pytorch_tanh"}, "gelu_pytorch_tanh");
        }
        return from.activation_function("hidden_activation", "gelu_pytorch_tanh");
    }
    /// Returns a limit, 0 if it is null.
    static float cap(const reader& from, std::string_view key, double absent) {
        if (!from.real(key)) return from.is_null(key) ? 0.0f : static_cast<float>(absent);
        return from.factor(key, absent);
    }
};

/// Layers of Gemma 2 and 3: norms before and after each half, windows in some of the layers. A derived class says
/// which, and what positions are.
template <class Derived, template <model_shape> class Positions>
struct windowed_gemma_layers : gemma_layers {
    template <model_shape Shape>
    using norm = rms_norm<Shape.d_model>;
    template <class Format, model_shape Shape>
    using block = post_norm_block<norm<Shape>, self_attention<Format, Shape, Positions<Shape>, capped_scores>,
                                  gated_feed_forward<Format, Shape>, norm<Shape>>;

    static constexpr absent_sizes absent{.kv_heads = 4, .head_dim = 256};
    static model_shape shape(const reader& from) { return gemma_layers::shape(from, absent); }

    template <model_shape Shape>
    static norm<Shape> read_norm(const reader& from, const std::string& name, const model_shape& s) {
        return read_norm_of<Shape.d_model>(from, name, s.d_model);
    }
    static model_scaling read_scaling(const reader& from, const model_shape& s) {
        return model_scaling(embedding_factor(s), cap(from, "final_logit_softcapping", Derived::absent_logit_cap));
    }

    template <class Format, model_shape Shape>
    static block<Format, Shape> read_block(const reader& from, const model_shape& s, std::size_t layer, Format format,
                                           weight_arena& arena) {
        const std::string name = "layers." + std::to_string(layer - 1);
        require_attention(from, name + ".self_attn", s);
        require_gated(from, name + ".mlp", s);
        const std::size_t window = Derived::window(from, layer);
        const float scale = 1.0f / std::sqrt(from.factor("query_pre_attn_scalar", 256.0));
        const auto norm_of = [&](const char* which) { return read_norm<Shape>(from, name + which, s); };
        block<Format, Shape> b{norm_of(".input_layernorm"),
                               {s, scale, format, &arena,
                                Derived::template read_positions<Shape>(from, name + ".self_attn", s, layer, window),
                                window, capped_scores{cap(from, "attn_logit_softcapping", Derived::absent_score_cap)}},
                               norm_of(".post_attention_layernorm"),
                               norm_of(".pre_feedforward_layernorm"),
                               {s, feed_forward_activation(from), format, &arena},
                               norm_of(".post_feedforward_layernorm")};
        read_attention(from, name + ".self_attn", s, biases_of_key(from), b.attention);
        read_gated(from, name + ".mlp", s, false, b.feed_forward);
        return b;
    }

    /// Returns `sliding_window` for the layers that `layer_types` names, or without that list for all but every
    /// `period`th.
    /// @param layer numbered from 1
    static std::size_t window_of(const reader& from, std::size_t layer, std::size_t period) {
        const std::string key = "layer_types." + std::to_string(layer - 1);
        const std::string_view otherwise = layer % period != 0 ? "sliding_attention" : "full_attention";
        const bool sliding = from.text(key, {"full_attention", "sliding_attention"}, otherwise) == "sliding_attention";
        return sliding ? from.optional_size("sliding_window", 4096).value_or(0) : 0;
    }
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
