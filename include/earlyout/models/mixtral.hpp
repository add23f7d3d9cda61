// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_MIXTRAL_HPP
#define EARLYOUT_MODELS_MIXTRAL_HPP

#include <earlyout/models/detail/mixture_layers.hpp>

#include <cstddef>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Mixtral (Jiang et al., 2024): Mistral with a mixture of experts in each layer, of which a token chooses two.
struct mixtral_architecture : detail::mixture_layers<mixtral_architecture> {
    static constexpr std::string_view model_type = "mixtral";
    static constexpr std::string_view applied[]{"num_local_experts"};

    static constexpr detail::mixture_names mixture_tensors{
        .mixture = ".block_sparse_moe", .gate = ".w1", .up = ".w3", .down = ".w2"};
    static constexpr std::string_view experts_key = "num_local_experts";
    static constexpr std::size_t absent_experts = 8, absent_active = 2;
    static constexpr absent_sizes absent{.kv_heads = 8, .head_dim = {}};
    static constexpr detail::rotary_defaults rotary_absent{.theta = 1000000.0};
    static constexpr double absent_epsilon = 1e-5;

    /// Absent or null: all positions.
    static std::size_t window(const reader& from, std::size_t) {
        return from.optional_size("sliding_window").value_or(0);
    }
    static mixture_shape mixture_of(const reader&, const model_shape& s, std::size_t) {
        return {.d_model = s.d_model,
                .experts = s.experts,
                .active_experts = s.active_experts,
                .d_expert = s.d_ff,
                .weighting = expert_weighting::softmax_of_chosen};
    }
};

/// Mixtral. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using mixtral = transformer<mixtral_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
