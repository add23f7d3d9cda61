// SPDX-License-Identifier: MIT
// What gguf_checkpoint.hpp declares: reading the configuration.
#ifndef EARLYOUT_IO_DETAIL_GGUF_CONFIG_INL_HPP
#define EARLYOUT_IO_DETAIL_GGUF_CONFIG_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/gguf_names.hpp>
#include <earlyout/io/gguf_checkpoint.hpp>
#include <earlyout/io/gguf_file.hpp>
#include <earlyout/weights/flat_config.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

template <class Found>
void gguf_checkpoint::unsupported(std::string_view key, std::string_view expected, const Found& found) const {
    fail(errc::unsupported, source(), ": key '", key, "': expected ", expected, ", found ", found);
}

EARLYOUT_IO_INLINE const detail::gguf_architecture& gguf_checkpoint::find_architecture() const {
    const std::string_view name = contents().text("general.architecture").value_or("");
    const std::string count_key = std::string(name).append(".expert_count");
    const std::int64_t experts = contents().integer(count_key).value_or(0);
    std::string known;
    std::string_view before;
    bool is_known = false;
    for (const detail::gguf_architecture& a : detail::gguf_architectures) {
        if (a.name == name && a.experts == (experts != 0)) return a;
        is_known = is_known || a.name == name;
        if (a.name != before) known.append(known.empty() ? "" : ", ").append(a.name);
        before = a.name;
    }
    if (is_known) unsupported(count_key, experts != 0 ? "a model without experts" : "a number of experts", experts);
    unsupported("general.architecture", "one of " + known, "'" + earlyout::detail::printable(name) + "'");
}

EARLYOUT_IO_INLINE std::string gguf_checkpoint::key(std::string_view name) const {
    return std::string(of_->name).append(".").append(name);
}

EARLYOUT_IO_INLINE void gguf_checkpoint::read_config() {
    for (const detail::gguf_name& n : of_->sizes) {
        if (const auto found = contents().integer(key(n.gguf))) config_.set(std::string(n.hugging_face), *found);
    }
    for (const detail::gguf_name& n : of_->reals) {
        const auto found = contents().real(key(n.gguf));
        if (found && !(*found == 0.0 && n.gguf.ends_with("scale"))) {  // a scale of 0 is none
            config_.set(std::string(n.hugging_face), *found);
        }
    }
    std::string type(of_->model_type.empty() ? of_->name : of_->model_type);
    if (const auto window = contents().integer(key("attention.sliding_window")); window.value_or(0) != 0) {
        if (!of_->windows) unsupported(key("attention.sliding_window"), "no window", *window);
        if (type == "llama") type = "mistral";  // which is Llama with a window
        config_.set("sliding_window", *window);
    }
    read_scales();
    config_.set("model_type", type);
    if (const tensor_view* tokens = stored("token_embd.weight"); tokens != nullptr) {
        if (!tokens->shape.empty()) config_.set("vocab_size", static_cast<std::int64_t>(tokens->shape.front()));
    }
    config_.set("tie_word_embeddings", !has("output.weight"));
    if (of_->name == "gpt2") {
        config_.set("conv1d_layout", "out_in");
        return;
    }
    if (of_->name == "starcoder") {
        const auto kv_heads = contents().integer(key("attention.head_count_kv"));
        if (kv_heads != 1)
            unsupported(key("attention.head_count_kv"), "1", kv_heads ? std::to_string(*kv_heads) : "none");
        return;
    }
    complete_sizes();
    const bool biases = has("blk.0.attn_qkv.bias") || has("blk.0.attn_q.bias") || has("blk.0.attn_k.bias") ||
                        has("blk.0.attn_v.bias") || has("blk.0.attn_output.bias");
    config_.set(std::string(of_->bias_key), biases);
    if (of_->name == "gptneox") config_.set("query_key_value_layout", "by_kind");
    if (of_->name.starts_with("gemma")) read_gemma();
    config_.set("mlp_bias", has("blk.0.ffn_down.bias") || has("blk.0.ffn_down_exps.bias"));
    if (of_->experts) read_experts();
    if (of_->name == "gpt-oss") read_gpt_oss();
    read_rotary();
}

EARLYOUT_IO_INLINE void gguf_checkpoint::read_scales() {
    static constexpr detail::gguf_name names[] = {{"logit_scale", "logit_scale"},
                                                  {"residual_scale", "residual_scale"},
                                                  {"embedding_scale", "embedding_scale"},
                                                  {"attention.scale", "attention_multiplier"},
                                                  {"attention.clamp_kqv", "clip_qkv"},
                                                  {"attention.max_alibi_bias", "max_alibi_bias"},
                                                  {"attn_logit_softcapping", "attn_logit_softcapping"},
                                                  {"final_logit_softcapping", "final_logit_softcapping"}};
    for (const detail::gguf_name& n : names) {  // 0 is none
        if (std::ranges::find(of_->reals, n.gguf, &detail::gguf_name::gguf) != of_->reals.end()) continue;
        const auto found = contents().real(key(n.gguf));
        if (found.value_or(0.0) != 0.0) config_.set(std::string(n.hugging_face), *found);
    }
    if (!contents().boolean(key("attention.causal")).value_or(true)) config_.set("is_causal", false);
    if (const auto parallel = contents().boolean(key("use_parallel_residual"))) {
        config_.set("use_parallel_residual", *parallel);
    }
    const auto keys = contents().integer(key("attention.key_length"));
    const auto values = contents().integer(key("attention.value_length"));
    if (keys && values && *keys != *values) {
        unsupported(key("attention.value_length"), "as many as attention.key_length, " + std::to_string(*keys),
                    *values);
    }
}

EARLYOUT_IO_INLINE void gguf_checkpoint::complete_sizes() {
    const std::int64_t heads = integer("num_attention_heads").value_or(0);
    const std::int64_t width = integer("hidden_size").value_or(0);
    if (heads <= 0) return;
    if (!integer("num_key_value_heads")) config_.set("num_key_value_heads", heads);
    if (!integer("head_dim") && width > 0 && width % heads == 0) config_.set("head_dim", width / heads);
    const std::int64_t head_dim = integer("head_dim").value_or(0);
    if (of_->name == "granite" && !real("attention_multiplier") && head_dim > 0) {
        config_.set("attention_multiplier", 1.0 / std::sqrt(static_cast<double>(head_dim)));
    }
}

EARLYOUT_IO_INLINE void gguf_checkpoint::read_gemma() {
    config_.set("norm_weights", "whole");
    if (of_->name == "gemma") return;
    // As in llama.cpp, whose files lack it: the largest models divide scores by another width than a head's.
    const std::int64_t layers = integer("num_hidden_layers").value_or(0);
    const std::int64_t heads = std::max<std::int64_t>(integer("num_attention_heads").value_or(1), 1);
    const bool largest = layers == (of_->name == "gemma2" ? 46 : 62);
    const std::int64_t width = integer(largest ? "hidden_size" : "head_dim").value_or(0);
    if (width > 0) config_.set("query_pre_attn_scalar", largest ? width / heads : width);
    if (const auto* const period = contents().value(key("attention.sliding_window_pattern")); period != nullptr) {
        if (of_->name != "gemma3" || period->is_array) {
            unsupported(key("attention.sliding_window_pattern"), "the architecture's own", "another form");
        }
        config_.set("sliding_window_pattern", contents().integer(key("attention.sliding_window_pattern")).value_or(0));
    }
    if (of_->name == "gemma3" && !integer("sliding_window")) {
        unsupported(key("attention.sliding_window"), "a window", "none");
    }
}

EARLYOUT_IO_INLINE void gguf_checkpoint::read_experts() {
    // As in llama.cpp: its files have no key for most of this.
    const bool mixtral = of_->name == "llama";
    config_.set("norm_topk_prob", of_->name == "qwen3moe");
    if (mixtral && !real("rope_theta")) config_.set("rope_theta", 10000.0);
    if (of_->name == "qwen2moe") config_.set("qkv_bias", config_.boolean("attention_bias").value_or(false));
    const std::int64_t wide = integer("intermediate_size").value_or(0);
    const std::int64_t used = std::max<std::int64_t>(integer("num_experts_per_tok").value_or(1), 1);
    if (!integer("moe_intermediate_size")) config_.set("moe_intermediate_size", wide / used);
    if (!integer("shared_expert_intermediate_size")) config_.set("shared_expert_intermediate_size", wide);
    const bool normed = mixtral || of_->name == "qwen3moe" || of_->name == "gpt-oss";
    if (contents().boolean(key("expert_weights_norm")).value_or(normed) != normed) {
        unsupported(key("expert_weights_norm"), normed ? "true" : "false", normed ? "false" : "true");
    }
    if (const auto found = contents().real(key("expert_weights_scale")); found.value_or(0.0) != 0.0 && *found != 1.0) {
        unsupported(key("expert_weights_scale"), "1", *found);
    }
    for (const auto& [name, most] : {std::pair{"expert_gating_func", 1}, std::pair{"expert_group_count", 1},
                                     std::pair{"expert_group_used_count", 1}, std::pair{"expert_shared_count", 1},
                                     std::pair{"leading_dense_block_count", 0}, std::pair{"moe_every_n_layers", 1},
                                     std::pair{"interleave_moe_layer_step", 1}}) {
        const std::int64_t found = contents().integer(key(name)).value_or(0);
        if (found < 0 || found > most) unsupported(key(name), most == 0 ? "0" : "1", found);
    }
}

EARLYOUT_IO_INLINE void gguf_checkpoint::read_gpt_oss() {
    if (!integer("sliding_window")) unsupported(key("attention.sliding_window"), "a window", "none");
    const char* const pattern = "attention.sliding_window_pattern";
    if (const auto* const period = contents().value(key(pattern)); period != nullptr) {
        if (period->is_array || contents().integer(key(pattern)) != 2) {
            unsupported(key(pattern), "every other layer, 2", "another form");
        }
    }
    const auto base = real("rope_theta"), local = contents().real(key("rope.freq_base_swa"));
    if (local && base && *local != *base) {
        unsupported(key("rope.freq_base_swa"), "the same as rope.freq_base, " + std::to_string(*base), *local);
    }
    const auto wide = integer("intermediate_size"), own = contents().integer(key("expert_feed_forward_length"));
    if (own && wide && *own != *wide) {
        unsupported(key("expert_feed_forward_length"), "the same as feed_forward_length, " + std::to_string(*wide),
                    *own);
    }
    if (own && !wide) config_.set("intermediate_size", *own);
    // Absent scaling is none here; the range between the frequencies is the model's own, which has no key.
    config_.set("rope_scaling.rope_type", "default");
    config_.set("rope_scaling.truncate", false);
}

EARLYOUT_IO_INLINE void gguf_checkpoint::read_rotary() {
    const std::int64_t head_dim = integer("head_dim").value_or(0);
    if (const auto turned = contents().integer(key("rope.dimension_count")); turned && *turned != head_dim) {
        const auto whole = static_cast<double>(std::max<std::int64_t>(head_dim, 1));
        double share = static_cast<double>(*turned) / whole;
        if (share * whole < static_cast<double>(*turned)) share = std::nextafter(share, 2.0);  // it is truncated
        config_.set("partial_rotary_factor", share);
    }
    const auto attention_factor = contents().real(key("rope.scaling.attn_factor"));
    if (const auto original = contents().integer(key("rope.scaling.original_context_length"))) {
        config_.set("rope_scaling.original_max_position_embeddings", *original);
    }
    if (has("rope_factors_short.weight") || has("rope_factors_long.weight")) {
        config_.set("rope_scaling.rope_type", "longrope");
        config_.set("rope_scaling.attention_factor", attention_factor.value_or(1.0));
        return;
    }
    if (attention_factor.value_or(1.0) != 1.0) {
        unsupported(key("rope.scaling.attn_factor"), "1", *attention_factor);
    }
    // As in llama.cpp: a factor without a type is linear; files of 2023 store it under a different key; 0 is none.
    auto factor = contents().real(key("rope.scaling.factor"));
    if (!factor) factor = contents().real(key("rope.scale_linear"));
    if (factor == 0.0) factor = 1.0;
    const std::string type(contents().text(key("rope.scaling.type")).value_or("linear"));
    if (type == "none" || (type == "linear" && factor.value_or(1.0) == 1.0)) return;
    config_.set("rope_scaling.rope_type", type);
    if (factor) config_.set("rope_scaling.factor", *factor);
    for (const auto& [theirs, ours] :
         {std::pair{"beta_fast", "rope_scaling.beta_fast"}, std::pair{"beta_slow", "rope_scaling.beta_slow"}}) {
        if (const auto beta = contents().real(key(std::string("rope.scaling.yarn_").append(theirs)))) {
            config_.set(ours, *beta);
        }
    }
    for (const char* name : {"rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor"}) {
        if (const auto found = contents().real(key(name)); found.value_or(1.0) != 1.0) {
            unsupported(key(name), "1", *found);
        }
    }
    if (const auto found = contents().real(key("rope.scaling.yarn_log_multiplier")); found.value_or(0.0) != 0.0) {
        unsupported(key("rope.scaling.yarn_log_multiplier"), "0", *found);
    }
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
