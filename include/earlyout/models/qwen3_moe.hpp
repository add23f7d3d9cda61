// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_QWEN3_MOE_HPP
#define EARLYOUT_MODELS_QWEN3_MOE_HPP

#include <earlyout/models/detail/mixture_layers.hpp>
#include <earlyout/models/qwen3.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Qwen3-MoE (Yang et al., 2025): Qwen3 with mixtures of experts.
struct qwen3_moe_architecture : detail::mixture_layers<qwen3_moe_architecture, detail::normed_rotary> {
    static constexpr std::string_view model_type = "qwen3_moe";
    static constexpr std::string_view applied[]{"num_experts", "use_qk_norm", "qk_norm"};

    static constexpr std::size_t absent_experts = 128, absent_active = 8;
    static constexpr absent_sizes absent{.kv_heads = 4, .head_dim = {}};
    template <model_shape Shape>
    static detail::normed_rotary<Shape> read_positions(const reader& from, const std::string& attention,
                                                       const model_shape& s, rotary turns) {
        return qwen3_architecture::read_positions<Shape>(from, attention, s, std::move(turns));
    }
    static biases attention_biases(const reader& from) { return biases_of_key(from); }
    /// With `use_sliding_window` all layers have the window.
    static std::size_t window(const reader& from, std::size_t) {
        if (!from.boolean("use_sliding_window", false)) return 0;
        return from.optional_size("sliding_window", 4096).value_or(0);
    }
    static mixture_shape mixture_of(const reader& from, const model_shape& s, std::size_t layer) {
        mixture_shape m = detail::qwen_mixture(from, s, layer);
        if (m.experts != 0) m.d_expert = from.optional_size("moe_intermediate_size").value_or(768);
        return m;
    }
};

/// Qwen3-MoE. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using qwen3_moe = transformer<qwen3_moe_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
