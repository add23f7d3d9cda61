// SPDX-License-Identifier: MIT
// Golden mixtures of experts as GGUF files, with the names, keys and row orders of llama.cpp's converter.
#include <earlyout/io/gguf.hpp>
#include <earlyout/models/mixtral.hpp>
#include <earlyout/models/olmoe.hpp>
#include <earlyout/models/qwen2_moe.hpp>
#include <earlyout/models/qwen3_moe.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/forward_pass.hpp"
#include "support/gguf.hpp"
#include "support/golden.hpp"
#include "support/golden_gguf.hpp"
#include "support/golden_pass.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::gguf_builder;
using support::rotated_side_by_side;
using support::temporary_folder;
using support::thrown;
using support::worst_of_gguf;

namespace {

const std::map<std::string, std::string, std::less<>> names{
    {"num_hidden_layers", "block_count"},
    {"hidden_size", "embedding_length"},
    {"intermediate_size", "feed_forward_length"},
    {"num_attention_heads", "attention.head_count"},
    {"num_key_value_heads", "attention.head_count_kv"},
    {"head_dim", "attention.key_length"},
    {"max_position_embeddings", "context_length"},
    {"num_local_experts", "expert_count"},
    {"num_experts", "expert_count"},
    {"num_experts_per_tok", "expert_used_count"},
    {"moe_intermediate_size", "expert_feed_forward_length"},
    {"shared_expert_intermediate_size", "expert_shared_feed_forward_length"},
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"input_layernorm", "attn_norm"},
    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate", "ffn_gate_inp"},
    {"block_sparse_moe.gate", "ffn_gate_inp"},
    {"mlp.shared_expert_gate", "ffn_gate_inp_shexp"},
    {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
    {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
    {"w1", "ffn_gate"},
    {"gate_proj", "ffn_gate"},
    {"w3", "ffn_up"},
    {"up_proj", "ffn_up"},
    {"w2", "ffn_down"},
    {"down_proj", "ffn_down"}};

/// The matrices of all experts of a layer, one after the other.
struct stack {
    std::vector<std::size_t> shape;
    std::map<std::size_t, std::vector<float>> experts;
};

/// A golden model as a GGUF file in f32.
/// @param stacked experts of a layer in one tensor; false: each in its own, as files of 2023
gguf_builder mixture_gguf(const std::string& name, const std::string& architecture, bool stacked = true) {
    const eo::memory_checkpoint from = support::editable_copy(name);
    gguf_builder made;
    made.set("general.architecture", architecture.c_str());
    for (const auto& [ours, theirs] : names) {
        if (ours.find('.') != ours.npos) continue;
        if (const auto found = from.integer(ours)) {
            made.set(architecture + "." + theirs, static_cast<std::uint32_t>(*found));
        }
    }
    for (const auto& [ours, theirs] :
         {std::pair{"rms_norm_eps", ".attention.layer_norm_rms_epsilon"}, std::pair{"rope_theta", ".rope.freq_base"}}) {
        if (const auto found = from.real(ours)) made.set(architecture + theirs, static_cast<float>(*found));
    }
    std::map<std::string, stack> stacks;
    support::golden_tensors(name, [&](const eo::tensor_view& view) {
        const std::size_t last = view.name.rfind('.');
        std::string layer, part = view.name.substr(0, last);
        if (constexpr std::string_view before = "model.layers."; part.starts_with(before)) {
            const std::size_t dot = part.find('.', before.size());
            layer = "blk." + part.substr(before.size(), dot - before.size()) + ".";
            part = part.substr(dot + 1);
        }
        std::vector<float> values = support::values_of(from, view.name);
        if (const std::size_t at = part.find(".experts."); at != part.npos) {
            const std::size_t digits = at + 9, dot = part.find('.', digits);
            const std::string& matrix = names.at(part.substr(dot + 1));
            if (stacked) {
                stack& all = stacks[layer + matrix + "_exps.weight"];
                all.shape = {0, view.shape[0], view.shape[1]};
                all.experts[std::stoul(part.substr(digits))] = std::move(values);
            } else {
                made.floats(layer + matrix + "." + part.substr(digits, dot - digits) + ".weight", view.shape, values);
            }
            return;
        }
        const std::string& theirs = names.at(part);
        const auto heads = static_cast<std::size_t>(*from.integer("num_attention_heads"));
        const auto kv_heads = static_cast<std::size_t>(*from.integer("num_key_value_heads"));
        if (architecture == "llama" && theirs == "attn_q") values = rotated_side_by_side(values, view.shape[0], heads);
        if (architecture == "llama" && theirs == "attn_k")
            values = rotated_side_by_side(values, view.shape[0], kv_heads);
        const bool one_row = theirs == "ffn_gate_inp_shexp";
        made.floats(layer + theirs + view.name.substr(last), one_row ? std::vector{view.shape[1]} : view.shape, values);
    });
    for (auto& [tensor, all] : stacks) {
        all.shape[0] = all.experts.size();
        std::vector<float> values;
        for (const auto& [expert, of] : all.experts) values.insert(values.end(), of.begin(), of.end());
        made.floats(tensor, all.shape, values);
    }
    return made;
}

}  // namespace

TEST_CASE("Mixtral in a gguf file computes what PyTorch computes", "[io][gguf][mixtral]") {
    for (const bool stacked : {true, false}) {
        gguf_builder file = mixture_gguf("mixtral", "llama", stacked).set("llama.rope.freq_base", 1e6f);
        CHECK(worst_of_gguf<eo::mixtral<>>(file, "mixtral") < support::tolerance);
    }
    // Unlike in a config.json, an absent theta is 10000.
    CHECK(worst_of_gguf<eo::mixtral<>>(mixture_gguf("mixtral", "llama"), "mixtral") > 0.01f);
    gguf_builder window = mixture_gguf("mixtral_window", "llama").set("llama.attention.sliding_window", 6u);
    CHECK(worst_of_gguf<eo::mixtral<>>(window.set("llama.rope.freq_base", 20000.0f), "mixtral_window") <
          support::tolerance);
}

TEST_CASE("OLMoE and Qwen3-MoE in a gguf file compute what PyTorch computes", "[io][gguf][olmoe][qwen3_moe]") {
    CHECK(worst_of_gguf<eo::olmoe<>>(mixture_gguf("olmoe", "olmoe"), "olmoe") < support::tolerance);
    CHECK(worst_of_gguf<eo::qwen3_moe<>>(mixture_gguf("qwen3_moe", "qwen3moe"), "qwen3_moe") < support::tolerance);
    // llama.cpp divides by the sum for the one and not for the other, whatever the original says.
    CHECK(worst_of_gguf<eo::olmoe<>>(mixture_gguf("olmoe_normed", "olmoe"), "olmoe_normed") > 0.01f);
}

TEST_CASE("Qwen2-MoE in a gguf file has mixtures in all layers", "[io][gguf][qwen2_moe]") {
    // The golden models divide weights by their sum, or have a dense layer: compare with the same from memory.
    eo::memory_checkpoint from = support::editable_copy("qwen2_moe_normed");
    from.set("norm_topk_prob", false).set("use_sliding_window", false).set("layer_types.0", nullptr);
    from.set("layer_types.1", nullptr);
    const auto expected = eo::qwen2_moe<>::from_checkpoint(from);
    const temporary_folder folder;
    folder.write("m.gguf", mixture_gguf("qwen2_moe_normed", "qwen2moe").bytes());
    const auto found = eo::io::load_gguf<eo::qwen2_moe<>>(folder / "m.gguf");
    const support::golden ids("qwen2_moe_normed");
    support::forward_pass a(expected, ids.ids, 16), b(found.network(), ids.ids, 16);
    a.run(1, 2, 0, ids.ids.size());
    b.run(1, 2, 0, ids.ids.size());
    for (std::size_t p = 0; p < ids.ids.size(); ++p) CHECK(support::same_bits(a.logits(p), b.logits(p)));
}

TEST_CASE("a gguf file's experts are as many as its tensors have", "[io][gguf][errors]") {
    const auto loading = [](const gguf_builder& file) {
        return error_of([&] { (void)worst_of_gguf<eo::olmoe<>>(file, "olmoe"); });
    };
    const auto golden_file = [] { return mixture_gguf("olmoe", "olmoe"); };
    gguf_builder none;
    none.set("general.architecture", "olmoe");
    CHECK(loading(none) == thrown(errc::unsupported, {"'olmoe.expert_count'", "a number of experts", "0"}));
    gguf_builder dense;
    dense.set("general.architecture", "qwen2").set("qwen2.expert_count", 8u);
    CHECK(loading(dense) == thrown(errc::unsupported, {"'qwen2.expert_count'", "without experts", "8"}));
    CHECK(loading(golden_file().set("olmoe.expert_weights_scale", 2.5f)) ==
          thrown(errc::unsupported, {"'olmoe.expert_weights_scale'", "2.5"}));
    CHECK(loading(golden_file().set("olmoe.expert_gating_func", 2u)) ==
          thrown(errc::unsupported, {"'olmoe.expert_gating_func'", "2"}));
    CHECK(loading(golden_file().set("olmoe.expert_weights_norm", true)) ==
          thrown(errc::unsupported, {"'olmoe.expert_weights_norm'", "expected false"}));

    gguf_builder stack;
    stack.set("general.architecture", "olmoe").set("olmoe.expert_count", 3u);
    stack.floats("blk.0.ffn_up_exps.weight", {2, 4, 3}, std::vector<float>(24));
    stack.floats("blk.1.ffn_up_exps.weight", {6, 3}, std::vector<float>(18));
    stack.floats("blk.2.ffn_up_exps.weight", {3, 2, 3}, std::vector<float>(18));
    const std::string bytes = stack.bytes();
    const eo::io::gguf_checkpoint from(std::as_bytes(std::span(bytes)), "m.gguf");
    const auto finding = [&](const char* name) { return error_of([&] { (void)from.find(name); }); };
    CHECK(finding("model.layers.0.mlp.experts.0.up_proj.weight") ==
          thrown(errc::wrong_shape, {"'blk.0.ffn_up_exps.weight'", "3 experts", "[2, 4, 3]"}));
    CHECK(finding("model.layers.1.mlp.experts.0.up_proj.weight") ==
          thrown(errc::wrong_shape, {"'blk.1.ffn_up_exps.weight'", "[6, 3]"}));
    CHECK(from.find("model.layers.2.mlp.experts.2.up_proj.weight")->shape == std::vector<std::size_t>{2, 3});
    CHECK(from.find("model.layers.2.mlp.experts.3.up_proj.weight") == nullptr);
    CHECK(from.find("model.layers.2.mlp.experts.x.up_proj.weight") == nullptr);
    CHECK(from.find("model.layers.2.mlp.experts.18446744073709551616.up_proj.weight") == nullptr);
    CHECK(from.find("model.layers.2.mlp.experts.0") == nullptr);
}
