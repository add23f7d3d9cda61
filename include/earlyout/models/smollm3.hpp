// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_SMOLLM3_HPP
#define EARLYOUT_MODELS_SMOLLM3_HPP

#include <earlyout/models/detail/llama_layers.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// SmolLM3 (Bakouch et al., 2025): Llama with layers, every fourth one by default, that have no positions.
struct smollm3_architecture : detail::gated_llama_layers<smollm3_architecture> {
    static constexpr std::string_view model_type = "smollm3";
    static constexpr decoder_names names{
        .prefix = "model.", .tokens = "embed_tokens", .positions = "", .norm = "norm", .tied = true};
    static constexpr std::string_view applied[]{"no_rope_layers", "no_rope_layer_interval"};

    static constexpr absent_sizes absent{.kv_heads = 4, .head_dim = {}};
    static constexpr detail::rotary_defaults rotary_absent{.theta = 2000000.0};
    static biases attention_biases(const reader& from) { return biases_of_key(from); }
    static bool feed_forward_bias(const reader& from) { return from.boolean("mlp_bias", false); }

    /// Returns the window of a layer: with `use_sliding_window`, those that `layer_types` names have it; without that
    /// list, those without positions.
    static std::size_t window(const reader& from, std::size_t layer) {
        if (!from.boolean("use_sliding_window", false)) return 0;
        const std::size_t window = from.optional_size("sliding_window").value_or(0);
        const std::string_view otherwise = rotates(from, layer) ? "full_attention" : "sliding_attention";
        const std::string key = "layer_types." + std::to_string(layer - 1);
        return from.text(key, {"full_attention", "sliding_attention"}, otherwise) == "sliding_attention" ? window : 0;
    }

    static rotary read_turns(const reader& from, const model_shape& s, std::size_t layer, std::size_t window) {
        rotary turns = read_rotary(from, s, layer, window, rotary_absent);  // refuses bad settings in any case
        return rotates(from, layer) ? turns : rotary(std::span<const double>(), s.context);
    }

private:
    /// Returns true if a layer has positions, which an element of `no_rope_layers` other than 0 says.
    static bool rotates(const reader& from, std::size_t layer) {
        const std::string list = "no_rope_layers.", key = list + std::to_string(layer - 1);
        if (const auto found = from.integer(key)) return *found != 0;
        if (from.integer(list + "0")) {
            fail(errc::malformed_file, from.source(), ": '", key, "' is missing: expected one element per layer");
        }
        return layer % from.optional_size("no_rope_layer_interval").value_or(4) != 0;
    }
};

/// SmolLM3. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using smollm3 = transformer<smollm3_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
