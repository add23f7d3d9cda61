// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_DETAIL_UNSUPPORTED_SETTINGS_HPP
#define EARLYOUT_MODELS_DETAIL_UNSUPPORTED_SETTINGS_HPP

#include <earlyout/models/detail/checkpoint_reader.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// Refuses settings that change what a model computes and that its architecture does not implement: they belong to
/// related models, and a file may have them under a known `model_type`. A neutral value is accepted.
class unsupported_settings {
public:
    /// @param applied keys that the architecture reads itself
    /// @throws error (unsupported) naming the key
    static void refuse(const checkpoint_reader& from, const model_shape& s, std::span<const std::string_view> applied) {
        const unsupported_settings settings(from, applied);
        // Multipliers of activations (Granite, MiniCPM, Cohere, Falcon-H1).
        for (const char* key : {"logit_scale", "logits_scaling", "residual_multiplier", "embedding_multiplier",
                                "scale_emb", "lm_head_multiplier", "key_multiplier", "attention_in_multiplier",
                                "attention_out_multiplier", "embedding_scale", "residual_scale"}) {
            settings.require(key, 1.0);
        }
        const double width = static_cast<double>(s.head_dim);
        settings.require("attention_multiplier", 1.0 / std::sqrt(width));
        settings.require("query_pre_attn_scalar", width);
        settings.require("scale_depth", std::sqrt(static_cast<double>(s.layers)));
        settings.require("dim_model_base", static_cast<double>(s.d_model));
        settings.require("rotary_pct", 1.0);
        // Limits, counts and further frequencies: none may be set.
        for (const char* key :
             {"attn_logit_softcapping", "final_logit_softcapping", "attn_logit_softcap", "final_logit_softcap",
              "logit_softcap", "clip_qkv", "attention_chunk_size", "rope_local_base_freq", "num_experts",
              "num_local_experts", "n_routed_experts", "moe_num_experts", "max_alibi_bias", "no_rope_layer_interval"}) {
            settings.require(key, 0.0);
        }
        for (const char* key :
             {"alibi", "use_alibi", "add_cross_attention", "is_encoder_decoder", "parallel_attn", "qk_layernorm",
              "use_parallel_residual", "use_bidirectional_attention", "use_dynamic_ntk", "use_logn_attn",
              "rope_interleaved", "rope_interleave", "use_mrope", "scale_embedding", "scale_embeddings",
              "apply_residual_connection_post_layernorm", "attn_output_gate", "attn_temperature_tuning"}) {
            settings.require(key, false);
        }
        for (const char* key : {"use_qk_norm", "qk_norm"}) settings.require(key, false);
        settings.require("is_causal", true);
        if (settings.applies("no_rope_layers")) return;
        for (std::size_t layer = 0; layer < s.layers; ++layer) {  // 0: one without positions
            if (!settings.require("no_rope_layers." + std::to_string(layer), 1.0)) break;
        }
    }

private:
    unsupported_settings(const checkpoint_reader& from, std::span<const std::string_view> applied)
        : from_(from), applied_(applied) {}

    [[nodiscard]] bool applies(std::string_view key) const {
        return std::ranges::find(applied_, key) != applied_.end();
    }
    /// Accepts any type: some files write false for an absent number.
    /// @return whether it is present
    bool require(const std::string& key, double neutral) const {
        if (applies(key)) return true;
        const auto number = read([&] { return from_.real(key); });
        if (number) {
            if (std::abs(*number - neutral) > 1e-6 * std::abs(neutral)) refuse(key, neutral, *number);
            return true;
        }
        const auto flag = read([&] { return from_.boolean(key); });
        if (!flag) {
            (void)from_.real(key);  // refuses a text
        } else if (*flag) {
            refuse(key, neutral, "true");
        }
        return flag.has_value();
    }
    void require(const std::string& key, bool neutral) const {
        if (applies(key)) return;
        const auto found = read([&] { return from_.boolean(key); });
        if (found) {
            if (*found != neutral) refuse(key, neutral ? "true" : "false", *found ? "true" : "false");
            return;
        }
        const auto number = from_.real(key);
        if (number && (*number != 0.0) != neutral) refuse(key, neutral ? "true" : "false", *number);
    }
    /// Returns the value; empty also if it has another type.
    template <class Get>
    static auto read(Get get) -> decltype(get()) {
        try {
            return get();
        } catch (const error&) {
            return std::nullopt;
        }
    }
    template <class Expected, class Found>
    [[noreturn]] void refuse(const std::string& key, const Expected& expected, const Found& found) const {
        fail(errc::unsupported, from_.source(), ": '", key, "': this architecture runs without it, as with ", expected,
             "; found ", found);
    }

    const checkpoint_reader& from_;
    std::span<const std::string_view> applied_;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
