// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_QWEN2_MOE_HPP
#define EARLYOUT_MODELS_QWEN2_MOE_HPP

#include <earlyout/models/detail/mixture_layers.hpp>
#include <earlyout/models/detail/qwen_window.hpp>

#include <cstddef>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Qwen1.5-MoE and Qwen2-MoE (Yang et al., 2024): Qwen2 with mixtures of experts. A further expert, which every token
/// runs through, is multiplied by a sigmoid of the input.
struct qwen2_moe_architecture : detail::mixture_layers<qwen2_moe_architecture> {
    static constexpr std::string_view model_type = "qwen2_moe";
    static constexpr std::string_view applied[]{"num_experts"};

    static constexpr std::size_t absent_experts = 60, absent_active = 4;
    static constexpr absent_sizes absent{.kv_heads = 16, .head_dim = {}};
    static biases attention_biases(const reader& from) {
        return {.query_key_value = from.boolean("qkv_bias", true), .output = false};
    }
    /// Which layers have the window differs between versions of Hugging Face's transformers where no list says it.
    static std::size_t window(const reader& from, std::size_t layer) {
        if (from.boolean("use_sliding_window", false) && !from.text("layer_types.0")) {
            fail(errc::unsupported, from.source(),
                 ": 'use_sliding_window': expected 'layer_types' beside it, which says what layers have the window");
        }
        return detail::qwen_window(from, layer);
    }
    static mixture_shape mixture_of(const reader& from, const model_shape& s, std::size_t layer) {
        mixture_shape m = detail::qwen_mixture(from, s, layer);
        if (m.experts == 0) return m;
        m.d_expert = from.optional_size("moe_intermediate_size").value_or(1408);
        m.d_shared = from.optional_size("shared_expert_intermediate_size").value_or(5632);
        m.gates_shared = true;
        return m;
    }
};

/// Qwen2-MoE. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using qwen2_moe = transformer<qwen2_moe_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
