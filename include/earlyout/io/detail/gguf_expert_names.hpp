// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_GGUF_EXPERT_NAMES_HPP
#define EARLYOUT_IO_DETAIL_GGUF_EXPERT_NAMES_HPP

#include <earlyout/io/detail/expert_names.hpp>
#include <earlyout/io/detail/gguf_architecture.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

// Mixtures of experts. llama.cpp stores one matrix of all experts together, [experts, out, in]; it has the name of an
// expert's at Hugging Face without the expert's number.

inline constexpr gguf_name mixtral_sizes[] = {{"block_count", "num_hidden_layers"},
                                              {"embedding_length", "hidden_size"},
                                              {"feed_forward_length", "intermediate_size"},
                                              {"attention.head_count", "num_attention_heads"},
                                              {"attention.head_count_kv", "num_key_value_heads"},
                                              {"attention.key_length", "head_dim"},
                                              {"context_length", "max_position_embeddings"},
                                              {"expert_count", "num_local_experts"},
                                              {"expert_used_count", "num_experts_per_tok"}};
inline constexpr gguf_name mixture_sizes[] = {{"block_count", "num_hidden_layers"},
                                              {"embedding_length", "hidden_size"},
                                              {"feed_forward_length", "intermediate_size"},
                                              {"attention.head_count", "num_attention_heads"},
                                              {"attention.head_count_kv", "num_key_value_heads"},
                                              {"attention.key_length", "head_dim"},
                                              {"context_length", "max_position_embeddings"},
                                              {"expert_count", "num_experts"},
                                              {"expert_used_count", "num_experts_per_tok"},
                                              {"expert_feed_forward_length", "moe_intermediate_size"},
                                              {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"}};
inline constexpr gguf_name mixtral_layer_tensors[] = {{"attn_norm", "input_layernorm"},
                                                      {"attn_q", "self_attn.q_proj"},
                                                      {"attn_k", "self_attn.k_proj"},
                                                      {"attn_v", "self_attn.v_proj"},
                                                      {"attn_output", "self_attn.o_proj"},
                                                      {"ffn_norm", "post_attention_layernorm"},
                                                      {"ffn_gate_inp", "block_sparse_moe.gate"},
                                                      {"ffn_gate_exps", "block_sparse_moe.experts.w1"},
                                                      {"ffn_up_exps", "block_sparse_moe.experts.w3"},
                                                      {"ffn_down_exps", "block_sparse_moe.experts.w2"}};
inline constexpr gguf_name mixture_layer_tensors[] = {{"attn_norm", "input_layernorm"},
                                                      {"attn_q", "self_attn.q_proj"},
                                                      {"attn_k", "self_attn.k_proj"},
                                                      {"attn_v", "self_attn.v_proj"},
                                                      {"attn_output", "self_attn.o_proj"},
                                                      {"attn_q_norm", "self_attn.q_norm"},
                                                      {"attn_k_norm", "self_attn.k_norm"},
                                                      {"ffn_norm", "post_attention_layernorm"},
                                                      {"ffn_gate_inp", "mlp.gate"},
                                                      {"ffn_gate_exps", "mlp.experts.gate_proj"},
                                                      {"ffn_up_exps", "mlp.experts.up_proj"},
                                                      {"ffn_down_exps", "mlp.experts.down_proj"},
                                                      {"ffn_gate_inp_shexp", "mlp.shared_expert_gate"},
                                                      {"ffn_gate_shexp", "mlp.shared_expert.gate_proj"},
                                                      {"ffn_up_shexp", "mlp.shared_expert.up_proj"},
                                                      {"ffn_down_shexp", "mlp.shared_expert.down_proj"}};
inline constexpr gguf_name gpt_oss_layer_tensors[] = {{"attn_norm", "input_layernorm"},
                                                      {"attn_q", "self_attn.q_proj"},
                                                      {"attn_k", "self_attn.k_proj"},
                                                      {"attn_v", "self_attn.v_proj"},
                                                      {"attn_output", "self_attn.o_proj"},
                                                      {"attn_sinks.weight", "self_attn.sinks"},
                                                      {"post_attention_norm", "post_attention_layernorm"},
                                                      {"ffn_gate_inp", "mlp.router"},
                                                      {"ffn_gate_exps", "mlp.experts.gate_proj"},
                                                      {"ffn_up_exps", "mlp.experts.up_proj"},
                                                      {"ffn_down_exps", "mlp.experts.down_proj"}};

/// Returns the Hugging Face name of one expert's matrix, which files of 2023 store by itself: "ffn_gate.3.weight".
/// Empty for another tensor.
[[nodiscard]] inline std::string hugging_face_expert(std::span<const gguf_name> names, std::string_view tensor) {
    const std::size_t first = tensor.find('.'), second = tensor.find('.', first + 1);
    if (first == tensor.npos || second == tensor.npos) return {};
    const std::string stacked = std::string(tensor.substr(0, first)).append("_exps");
    for (const gguf_name& n : names) {
        if (n.gguf != stacked) continue;
        std::string made(n.hugging_face);
        const std::size_t at = made.find(experts_part) + experts_part.size();
        made.insert(at, std::string(tensor.substr(first + 1, second - first - 1)).append("."));
        return made.append(tensor.substr(second));
    }
    return {};
}

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
