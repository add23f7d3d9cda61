// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_GEMMA3_HPP
#define EARLYOUT_MODELS_GEMMA3_HPP

#include <earlyout/models/detail/gemma_layers.hpp>
#include <earlyout/nn/head_norm.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

template <model_shape Shape>
using gemma_heads = normed_heads<rotary, Shape.head_dim>;

}  // namespace detail

/// Gemma 3 (Gemma Team, 2025), text: norms around both halves and of heads, a window in all but every sixth layer,
/// rotary positions of another base in those that have it.
struct gemma3_architecture : detail::windowed_gemma_layers<gemma3_architecture, detail::gemma_heads> {
    static constexpr std::string_view model_type = "gemma3_text";
    static constexpr std::string_view applied[]{"query_pre_attn_scalar", "attn_logit_softcapping",
                                                "final_logit_softcapping", "rope_local_base_freq"};

    static constexpr double absent_score_cap = 0.0;
    static constexpr double absent_logit_cap = 0.0;
    static std::size_t window(const reader& from, std::size_t layer) {
        return window_of(from, layer, from.optional_size("sliding_window_pattern").value_or(6));
    }
    template <model_shape Shape>
    static detail::gemma_heads<Shape> read_positions(const reader& from, const std::string& attention,
                                                     const model_shape& s, std::size_t layer, std::size_t window) {
        return {read_norm_of<Shape.head_dim>(from, attention + ".q_norm", s.head_dim),
                read_norm_of<Shape.head_dim>(from, attention + ".k_norm", s.head_dim),
                read_turns(from, s, layer, window)};
    }

private:
    /// `rope_parameters` has objects by layer type. In older files, all else is about the layers without a window, and
    /// `rope_local_base_freq` is the base of the others.
    static rotary read_turns(const reader& from, const model_shape& s, std::size_t layer, std::size_t window) {
        const bool listed =
            from.members("rope_parameters.full_attention") || from.members("rope_parameters.sliding_attention");
        if (!listed && from.members("rope_parameters")) {
            fail(errc::unsupported, from.source(),
                 ": 'rope_parameters': expected an object for layers of type full_attention, found values for all");
        }
        const std::string type = layer_type(from, s, layer, window);
        if (type == "full_attention") return read_rotary(from, s, layer, window, {.theta = 1000000.0});
        if (listed) return read_rotary(from, s, layer, window, {.theta = 10000.0});
        return rotary(rotary_frequencies(s.head_dim, from.real("rope_local_base_freq", 10000.0, 1e12)), s.context);
    }
};

/// Gemma 3. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using gemma3 = transformer<gemma3_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
