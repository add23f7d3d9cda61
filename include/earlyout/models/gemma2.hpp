// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_GEMMA2_HPP
#define EARLYOUT_MODELS_GEMMA2_HPP

#include <earlyout/models/detail/gemma_layers.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Gemma 2 (Gemma Team, 2024): norms around both halves, limited scores and logits, a window in every other layer, the
/// first included.
struct gemma2_architecture : detail::windowed_gemma_layers<gemma2_architecture, detail::rotary_only> {
    static constexpr std::string_view model_type = "gemma2";
    static constexpr std::string_view applied[]{"query_pre_attn_scalar", "attn_logit_softcapping",
                                                "final_logit_softcapping"};

    static constexpr double absent_score_cap = 50.0;
    static constexpr double absent_logit_cap = 30.0;
    static std::size_t window(const reader& from, std::size_t layer) { return window_of(from, layer, 2); }
    template <model_shape>
    static rotary read_positions(const reader& from, const std::string&, const model_shape& s, std::size_t layer,
                                 std::size_t window) {
        return read_rotary(from, s, layer, window);
    }
};

/// Gemma 2. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using gemma2 = transformer<gemma2_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
