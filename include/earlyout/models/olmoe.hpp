// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_OLMOE_HPP
#define EARLYOUT_MODELS_OLMOE_HPP

#include <earlyout/models/detail/mixture_layers.hpp>
#include <earlyout/nn/head_norm.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

template <model_shape>
using normed_projection_rotary = normed_projections<rotary>;

}  // namespace detail

/// OLMoE (Muennighoff et al., 2024): Llama with mixtures of experts, whose queries and keys are normalised as a whole.
struct olmoe_architecture : detail::mixture_layers<olmoe_architecture, detail::normed_projection_rotary> {
    static constexpr std::string_view model_type = "olmoe";
    static constexpr std::string_view applied[]{"num_experts"};

    static constexpr std::size_t absent_experts = 64, absent_active = 8;
    static constexpr double absent_epsilon = 1e-5;
    template <model_shape>
    static normed_projections<rotary> read_positions(const reader& from, const std::string& attention,
                                                     const model_shape& s, rotary turns) {
        const float epsilon = from.epsilon("rms_norm_eps", absent_epsilon);
        return {from.read_rms_norm<dynamic>(attention + ".q_norm", s.d_query(), epsilon),
                from.read_rms_norm<dynamic>(attention + ".k_norm", s.d_kv(), epsilon), std::move(turns)};
    }
    static biases attention_biases(const reader& from) { return biases_of_key(from); }
    static mixture_shape mixture_of(const reader& from, const model_shape& s, std::size_t) {
        return {.d_model = s.d_model,
                .experts = s.experts,
                .active_experts = s.active_experts,
                .d_expert = s.d_ff,
                .weighting = detail::weighting_of_key(from)};
    }
};

/// OLMoE. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using olmoe = transformer<olmoe_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
