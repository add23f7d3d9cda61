// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_PHI3_HPP
#define EARLYOUT_MODELS_PHI3_HPP

#include <earlyout/models/detail/fused_projection.hpp>
#include <earlyout/models/detail/llama_layers.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Phi-3 and Phi-4 (Abdin et al., 2024): Llama whose queries, keys and values are one stored matrix, as are gate and
/// up; part of a head may be rotated, and there may be a window. LongRoPE has other frequencies, for all positions, as
/// soon as a text is longer than the original context; the model's context ends there.
struct phi3_architecture : detail::gated_llama_layers<phi3_architecture> {
    static constexpr std::string_view model_type = "phi3";

    static constexpr detail::rotary_defaults rotary_absent{.part = 1.0, .longrope = true, .original_context = 4096.0};
    static constexpr double absent_epsilon = 1e-5;
    static std::size_t window(const reader& from, std::size_t) {
        return from.optional_size("sliding_window").value_or(0);
    }

    static model_shape shape(const reader& from) {
        model_shape s = gated_llama_layers::shape(from);
        const auto rotary = detail::rotary_settings_reader(from, s, "full_attention", rotary_absent).read();
        if (rotary.limit != 0) s.context = std::min(s.context, rotary.limit);
        return s;
    }

    static void require_matrices(const reader& from, const std::string& name, const model_shape& s) {
        (void)from.require(name + ".self_attn.qkv_proj.weight", {s.d_query() + 2 * s.d_kv(), s.d_model});
        (void)from.require(name + ".self_attn.o_proj.weight", {s.d_model, s.d_query()});
        (void)from.require(name + ".mlp.gate_up_proj.weight", {2 * s.d_ff, s.d_model});
        (void)from.require(name + ".mlp.down_proj.weight", {s.d_model, s.d_ff});
    }
    template <class Block>
    static void read_matrices(const reader& from, const std::string& name, const model_shape& s, Block& into) {
        detail::read_fused_projection(from, name + ".self_attn.qkv_proj", s, detail::fused_order::by_kind, false,
                                      into.attention);
        from.fill(into.attention.output(), name + ".self_attn.o_proj");
        auto& feed_forward = into.feed_forward;
        const std::string gate_up = name + ".mlp.gate_up_proj.weight";
        from.fill(feed_forward.gate_up(),
                  {{gate_up, 2 * s.d_ff, 0, s.d_ff, 0}, {gate_up, 2 * s.d_ff, s.d_ff, s.d_ff, feed_forward.up_row()}});
        from.fill(feed_forward.down(), name + ".mlp.down_proj");
    }
};

/// Phi-3. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using phi3 = transformer<phi3_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
