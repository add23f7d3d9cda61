// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_OLMO2_HPP
#define EARLYOUT_MODELS_OLMO2_HPP

#include <earlyout/models/detail/llama_layers.hpp>
#include <earlyout/nn/head_norm.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// OLMo 2 (OLMo Team, 2024): Llama whose halves are normalised after they are computed, not before, and whose queries
/// and keys are normalised as a whole.
struct olmo2_architecture : detail::llama_layers {
    static constexpr std::string_view model_type = "olmo2";

    template <model_shape Shape>
    using norm = rms_norm<Shape.d_model>;
    template <class Format, model_shape Shape>
    using block = post_norm_block<no_norm, self_attention<Format, Shape, normed_projections<rotary>>,
                                  gated_feed_forward<Format, Shape>, norm<Shape>>;

    static model_shape shape(const reader& from) {
        model_shape s = llama_layers::shape(from, {});
        s.gated = true;
        return s;
    }
    template <model_shape Shape>
    static norm<Shape> read_norm(const reader& from, const std::string& name, const model_shape& s) {
        return from.read_rms_norm<Shape.d_model>(name, s.d_model, from.epsilon("rms_norm_eps", 1e-5));
    }

    template <class Format, model_shape Shape>
    static block<Format, Shape> read_block(const reader& from, const model_shape& s, std::size_t layer, Format format,
                                           weight_arena& arena) {
        const std::string name = "layers." + std::to_string(layer - 1), attention = name + ".self_attn";
        require_attention(from, attention, s);
        require_gated(from, name + ".mlp", s);
        const float epsilon = from.epsilon("rms_norm_eps", 1e-5);
        normed_projections<rotary> positions{from.read_rms_norm<dynamic>(attention + ".q_norm", s.d_query(), epsilon),
                                             from.read_rms_norm<dynamic>(attention + ".k_norm", s.d_kv(), epsilon),
                                             read_rotary(from, s, layer, 0)};
        block<Format, Shape> b{no_norm(s.d_model),
                               {s, scale(s), format, &arena, std::move(positions)},
                               read_norm<Shape>(from, name + ".post_attention_layernorm", s),
                               no_norm(s.d_model),
                               {s, from.hidden_activation("silu"), format, &arena},
                               read_norm<Shape>(from, name + ".post_feedforward_layernorm", s)};
        read_attention(from, attention, s, biases_of_key(from), b.attention);
        read_gated(from, name + ".mlp", s, false, b.feed_forward);
        return b;
    }
};

/// OLMo 2. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using olmo2 = transformer<olmo2_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
