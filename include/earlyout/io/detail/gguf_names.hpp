// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_GGUF_NAMES_HPP
#define EARLYOUT_IO_DETAIL_GGUF_NAMES_HPP

#include <earlyout/core/config.hpp>
#include <earlyout/io/detail/gguf_architecture.hpp>
#include <earlyout/io/detail/gguf_expert_names.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

inline constexpr gguf_name llama_sizes[] = {{"block_count", "num_hidden_layers"},
                                            {"embedding_length", "hidden_size"},
                                            {"feed_forward_length", "intermediate_size"},
                                            {"attention.head_count", "num_attention_heads"},
                                            {"attention.head_count_kv", "num_key_value_heads"},
                                            {"attention.key_length", "head_dim"},
                                            {"context_length", "max_position_embeddings"}};
inline constexpr gguf_name llama_reals[] = {{"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
                                            {"rope.freq_base", "rope_theta"}};
inline constexpr gguf_name layer_norm_reals[] = {{"attention.layer_norm_epsilon", "layer_norm_eps"},
                                                 {"rope.freq_base", "rope_theta"}};
inline constexpr gguf_name gemma3_reals[] = {{"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
                                             {"rope.freq_base", "rope_theta"},
                                             {"rope.freq_base_swa", "rope_local_base_freq"}};
inline constexpr gguf_name granite_reals[] = {{"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
                                              {"rope.freq_base", "rope_theta"},
                                              {"embedding_scale", "embedding_multiplier"},
                                              {"residual_scale", "residual_multiplier"},
                                              {"logit_scale", "logits_scaling"},
                                              {"attention.scale", "attention_multiplier"}};
inline constexpr gguf_name starcoder2_reals[] = {{"attention.layer_norm_epsilon", "norm_epsilon"},
                                                 {"rope.freq_base", "rope_theta"}};
inline constexpr gguf_name llama_tensors[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
inline constexpr gguf_name llama_layer_tensors[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}};
inline constexpr gguf_name phi3_layer_tensors[] = {
    {"attn_norm", "input_layernorm"},         {"attn_qkv", "self_attn.qkv_proj"}, {"attn_output", "self_attn.o_proj"},
    {"ffn_norm", "post_attention_layernorm"}, {"ffn_up", "mlp.gate_up_proj"},     {"ffn_down", "mlp.down_proj"}};
inline constexpr gguf_name starcoder2_layer_tensors[] = {
    {"attn_norm", "input_layernorm"}, {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_up", "mlp.c_fc"},           {"ffn_down", "mlp.c_proj"}};

/// With norms after each half.
inline constexpr gguf_name gemma2_layer_tensors[] = {{"attn_norm", "input_layernorm"},
                                                     {"attn_q", "self_attn.q_proj"},
                                                     {"attn_k", "self_attn.k_proj"},
                                                     {"attn_v", "self_attn.v_proj"},
                                                     {"attn_output", "self_attn.o_proj"},
                                                     {"attn_q_norm", "self_attn.q_norm"},
                                                     {"attn_k_norm", "self_attn.k_norm"},
                                                     {"post_attention_norm", "post_attention_layernorm"},
                                                     {"ffn_norm", "pre_feedforward_layernorm"},
                                                     {"ffn_gate", "mlp.gate_proj"},
                                                     {"ffn_up", "mlp.up_proj"},
                                                     {"ffn_down", "mlp.down_proj"},
                                                     {"post_ffw_norm", "post_feedforward_layernorm"}};
inline constexpr gguf_name phi_tensors[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.final_layernorm"}, {"output", "lm_head"}};
inline constexpr gguf_name phi_layer_tensors[] = {
    {"attn_norm", "input_layernorm"}, {"attn_q", "self_attn.q_proj"},     {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.dense"}, {"ffn_up", "mlp.fc1"},
    {"ffn_down", "mlp.fc2"}};
inline constexpr gguf_name gpt_neox_tensors[] = {
    {"token_embd", "gpt_neox.embed_in"}, {"output_norm", "gpt_neox.final_layer_norm"}, {"output", "embed_out"}};
inline constexpr gguf_name gpt_neox_layer_tensors[] = {
    {"attn_norm", "input_layernorm"},   {"attn_qkv", "attention.query_key_value"},
    {"attn_output", "attention.dense"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_up", "mlp.dense_h_to_4h"},    {"ffn_down", "mlp.dense_4h_to_h"}};

inline constexpr gguf_name gpt2_sizes[] = {{"block_count", "n_layer"},
                                           {"embedding_length", "n_embd"},
                                           {"feed_forward_length", "n_inner"},
                                           {"attention.head_count", "n_head"},
                                           {"context_length", "n_positions"}};
inline constexpr gguf_name gpt2_reals[] = {{"attention.layer_norm_epsilon", "layer_norm_epsilon"}};
inline constexpr gguf_name gpt2_tensors[] = {{"token_embd", "transformer.wte"},
                                             {"position_embd", "transformer.wpe"},
                                             {"output_norm", "transformer.ln_f"},
                                             {"output", "lm_head"}};
inline constexpr gguf_name gpt2_layer_tensors[] = {{"attn_norm", "ln_1"},          {"attn_qkv", "attn.c_attn"},
                                                   {"attn_output", "attn.c_proj"}, {"ffn_norm", "ln_2"},
                                                   {"ffn_up", "mlp.c_fc"},         {"ffn_down", "mlp.c_proj"}};

inline constexpr gguf_architecture gguf_architectures[] = {
    {.name = "gpt2",
     .layers = "transformer.h.",
     .sizes = gpt2_sizes,
     .reals = gpt2_reals,
     .tensors = gpt2_tensors,
     .layer_tensors = gpt2_layer_tensors},
    {.name = "llama",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = llama_layer_tensors,
     .windows = true,
     .turned = true},
    {.name = "llama",
     .layers = "model.layers.",
     .sizes = mixtral_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = mixtral_layer_tensors,
     .windows = true,
     .turned = true,
     .model_type = "mixtral",
     .experts = true},
    {.name = "granite",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = granite_reals,
     .tensors = llama_tensors,
     .layer_tensors = llama_layer_tensors,
     .turned = true},
    {.name = "smollm3",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = llama_layer_tensors,
     .turned = true},
    {.name = "phi3",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = phi3_layer_tensors,
     .windows = true},
    {.name = "gemma",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = llama_layer_tensors},
    {.name = "gemma2",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = gemma2_layer_tensors,
     .windows = true},
    {.name = "gemma3",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = gemma3_reals,
     .tensors = llama_tensors,
     .layer_tensors = gemma2_layer_tensors,
     .windows = true,
     .model_type = "gemma3_text"},
    {.name = "olmo2",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = gemma2_layer_tensors},
    {.name = "olmoe",
     .layers = "model.layers.",
     .sizes = mixture_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = mixture_layer_tensors,
     .experts = true},
    {.name = "stablelm",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = layer_norm_reals,
     .tensors = llama_tensors,
     .layer_tensors = llama_layer_tensors,
     .bias_key = "use_qkv_bias"},
    {.name = "phi2",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = layer_norm_reals,
     .tensors = phi_tensors,
     .layer_tensors = phi_layer_tensors,
     .model_type = "phi"},
    {.name = "gptneox",
     .layers = "gpt_neox.layers.",
     .sizes = llama_sizes,
     .reals = layer_norm_reals,
     .tensors = gpt_neox_tensors,
     .layer_tensors = gpt_neox_layer_tensors,
     .model_type = "gpt_neox"},
    {.name = "qwen2",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = llama_layer_tensors},
    {.name = "qwen3",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = llama_layer_tensors},
    {.name = "qwen2moe",
     .layers = "model.layers.",
     .sizes = mixture_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = mixture_layer_tensors,
     .model_type = "qwen2_moe",
     .experts = true},
    {.name = "qwen3moe",
     .layers = "model.layers.",
     .sizes = mixture_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = mixture_layer_tensors,
     .model_type = "qwen3_moe",
     .experts = true},
    {.name = "gpt-oss",
     .layers = "model.layers.",
     .sizes = mixtral_sizes,
     .reals = llama_reals,
     .tensors = llama_tensors,
     .layer_tensors = gpt_oss_layer_tensors,
     .windows = true,
     .model_type = "gpt_oss",
     .experts = true},
    {.name = "starcoder",
     .layers = "transformer.h.",
     .sizes = gpt2_sizes,
     .reals = gpt2_reals,
     .tensors = gpt2_tensors,
     .layer_tensors = gpt2_layer_tensors,
     .model_type = "gpt_bigcode"},
    {.name = "starcoder2",
     .layers = "model.layers.",
     .sizes = llama_sizes,
     .reals = starcoder2_reals,
     .tensors = llama_tensors,
     .layer_tensors = starcoder2_layer_tensors,
     .windows = true,
     .bias_key = "use_bias"},
};

/// Returns the Hugging Face name of a tensor; its GGUF name if there is no other.
[[nodiscard]] inline std::string hugging_face_tensor(const gguf_architecture& of, std::string_view name) {
    const auto translated = [&](std::span<const gguf_name> names, std::string_view rest) -> std::string {
        const std::size_t dot = rest.rfind('.');
        if (dot == std::string_view::npos) return {};
        for (const gguf_name& n : names) {
            if (n.gguf == rest) return std::string(n.hugging_face);  // one without ".weight" there
            if (n.gguf == rest.substr(0, dot)) return std::string(n.hugging_face).append(rest.substr(dot));
        }
        return of.experts ? hugging_face_expert(names, rest) : std::string();
    };
    std::string made;
    if (constexpr std::string_view block = "blk."; name.starts_with(block)) {
        const std::string_view number = name.substr(block.size(), name.find('.', block.size()) - block.size());
        const std::size_t end = block.size() + number.size();
        if (end < name.size()) made = translated(of.layer_tensors, name.substr(end + 1));
        if (!made.empty()) made = std::string(of.layers).append(number).append(".").append(made);
    } else {
        made = translated(of.tensors, name);
    }
    return made.empty() ? std::string(name) : made;
}

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
