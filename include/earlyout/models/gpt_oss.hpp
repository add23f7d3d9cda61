// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_GPT_OSS_HPP
#define EARLYOUT_MODELS_GPT_OSS_HPP

#include <earlyout/models/detail/mixture_layers.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// gpt-oss (OpenAI, 2025): a mixture of experts with biases and a clamped SwiGLU in each layer, attention sinks, a
/// window in every other layer, the first included, and YaRN's positions. Experts may be stored in MXFP4.
struct gpt_oss_architecture : detail::mixture_layers<gpt_oss_architecture> {
    static constexpr std::string_view model_type = "gpt_oss";
    static constexpr std::string_view applied[]{"num_local_experts"};
    static constexpr std::string_view quantization = "mxfp4";

    template <class Format, model_shape Shape>
    using block = pre_norm_block<rms_norm<Shape.d_model>, self_attention<Format, Shape, rotary, scores_with_sinks>,
                                 mixture<Format, Shape>>;

    static constexpr detail::mixture_names mixture_tensors{.router = ".router", .biases = true};
    static constexpr std::string_view experts_key = "num_local_experts";
    static constexpr std::size_t absent_experts = 128, absent_active = 4;
    static constexpr absent_sizes absent{.kv_heads = 8, .head_dim = 64};
    static constexpr detail::rotary_defaults rotary_absent{
        .theta = 150000.0, .yarn = yarn_scaling{.factor = 32.0, .original_context = 4096.0, .truncate = false}};
    static constexpr double absent_epsilon = 1e-5;

    static model_shape shape(const reader& from) {
        const model_shape s = mixture_layers::shape(from);
        // A second name in public files.
        const auto active = from.integer("experts_per_token");
        if (active && *active != static_cast<std::int64_t>(s.active_experts)) {
            fail(errc::unsupported, from.source(),
                 ": 'experts_per_token': expected the same as 'num_experts_per_tok', ", s.active_experts, ", found ",
                 *active);
        }
        return s;
    }

    /// All four, if any.
    static biases attention_biases(const reader& from) {
        const bool any = from.boolean("attention_bias", true);
        return {.query_key_value = any, .output = any};
    }
    static scores_with_sinks read_scores(const reader& from, const std::string& attention, const model_shape& s) {
        return {from.tensor(attention + ".sinks", {s.heads})};
    }
    /// Returns `sliding_window` for the layers that `layer_types` names, or without that list for every other one.
    static std::size_t window(const reader& from, std::size_t layer) {
        const std::string key = "layer_types." + std::to_string(layer - 1);
        const std::string_view otherwise = layer % 2 != 0 ? "sliding_attention" : "full_attention";
        const bool sliding = from.text(key, {"full_attention", "sliding_attention"}, otherwise) == "sliding_attention";
        return sliding ? from.optional_size("sliding_window", 128).value_or(0) : 0;
    }
    /// What `hidden_act` calls silu, with the limit and the slope of the public models alone.
    static activation expert_activation(const reader& from) {
        (void)from.text("hidden_act", {"silu", "swish"}, "silu");
        require_number(from, "swiglu_limit", kernels::swiglu_limit);
        require_number(from, "swiglu_alpha", kernels::swiglu_slope);
        return activation::clamped_swish;
    }
    static mixture_shape mixture_of(const reader&, const model_shape& s, std::size_t) {
        return {.d_model = s.d_model,
                .experts = s.experts,
                .active_experts = s.active_experts,
                .d_expert = s.d_ff,
                .weighting = expert_weighting::softmax_of_chosen};
    }

private:
    static void require_number(const reader& from, std::string_view key, float expected) {
        const auto found = from.real(key);
        if (!found || static_cast<float>(*found) == expected) return;
        fail(errc::unsupported, from.source(), ": '", key, "': expected ", expected, ", found ", *found);
    }
};

/// gpt-oss. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using gpt_oss = transformer<gpt_oss_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
