// SPDX-License-Identifier: MIT
// Golden models as GGUF files, with the names, keys and row orders of llama.cpp's converter.
#include <earlyout/io/gguf.hpp>
#include <earlyout/models/gemma.hpp>
#include <earlyout/models/gemma2.hpp>
#include <earlyout/models/gemma3.hpp>
#include <earlyout/models/gpt_bigcode.hpp>
#include <earlyout/models/gpt_neox.hpp>
#include <earlyout/models/granite.hpp>
#include <earlyout/models/llama.hpp>
#include <earlyout/models/olmo2.hpp>
#include <earlyout/models/phi.hpp>
#include <earlyout/models/phi3.hpp>
#include <earlyout/models/smollm3.hpp>
#include <earlyout/models/stablelm.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/gguf.hpp"
#include "support/golden.hpp"
#include "support/golden_gguf.hpp"
#include "support/golden_pass.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::gguf_builder;
using support::rotated_side_by_side;
using support::thrown;
using support::worst_of_gguf;

namespace {

using name_pair = std::pair<std::string_view, std::string_view>;  // Hugging Face's and llama.cpp's

struct family {
    std::string_view architecture;  ///< in GGUF
    std::vector<name_pair> sizes;
    std::vector<name_pair> reals;
    std::vector<name_pair> tensors;
    bool norms_plus_one = false;
    bool by_kind = false;  ///< fused queries, keys and values are no longer head by head
    bool turned = false;   ///< queries and keys are stored as pairs
};

const std::vector<name_pair> llama_sizes{{"num_hidden_layers", "block_count"},
                                         {"hidden_size", "embedding_length"},
                                         {"intermediate_size", "feed_forward_length"},
                                         {"num_attention_heads", "attention.head_count"},
                                         {"num_key_value_heads", "attention.head_count_kv"},
                                         {"head_dim", "attention.key_length"},
                                         {"max_position_embeddings", "context_length"}};
const std::vector<name_pair> llama_tensors{
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"},    {"lm_head", "output"},
    {"self_attn.q_proj", "attn_q"},       {"self_attn.k_proj", "attn_k"},   {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},  {"mlp.gate_proj", "ffn_gate"},    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},        {"input_layernorm", "attn_norm"}, {"post_attention_layernorm", "ffn_norm"}};

/// Rows [heads][3][n] as [3][heads][n].
std::vector<float> by_kind(const std::vector<float>& values, std::size_t heads) {
    const std::size_t size = values.size() / heads / 3;
    std::vector<float> made;
    for (std::size_t i = 0; i < 3 * heads; ++i) {
        const auto part = values.begin() + static_cast<std::ptrdiff_t>((i % heads * 3 + i / heads) * size);
        made.insert(made.end(), part, part + static_cast<std::ptrdiff_t>(size));
    }
    return made;
}

/// A golden model as a GGUF file in f32.
gguf_builder gguf_of(const std::string& name, const family& of) {
    const eo::memory_checkpoint from = support::editable_copy(name);
    gguf_builder made;
    const std::string prefix = std::string(of.architecture) + ".";
    made.set("general.architecture", std::string(of.architecture).c_str());
    for (const auto& [ours, theirs] : of.sizes) {
        if (const auto found = from.integer(ours)) {
            made.set(prefix + std::string(theirs), static_cast<std::uint32_t>(*found));
        }
    }
    for (const auto& [ours, theirs] : of.reals) {
        if (const auto found = from.real(ours)) made.set(prefix + std::string(theirs), static_cast<float>(*found));
    }
    support::golden_tensors(name, [&](const eo::tensor_view& view) {
        const std::size_t last = view.name.rfind('.');
        std::string layer, part = view.name.substr(0, last);
        const std::string before = view.name.starts_with("transformer.") ? ".h." : ".layers.";
        if (const std::size_t at = view.name.find(before); at != view.name.npos) {
            const std::size_t number = at + before.size(), dot = view.name.find('.', number);
            layer = "blk." + view.name.substr(number, dot - number) + ".";
            part = view.name.substr(dot + 1, last - dot - 1);
        }
        if (part.ends_with("attention") || part.ends_with("rotary_emb")) return;  // buffers, which are not converted
        const auto found = std::ranges::find(of.tensors, std::string_view(part), &name_pair::first);
        REQUIRE(found != of.tensors.end());
        std::vector<float> values = support::values_of(from, view.name);
        const auto heads = static_cast<std::size_t>(from.integer("num_attention_heads").value_or(1));
        const auto kv_heads =
            static_cast<std::size_t>(from.integer("num_key_value_heads").value_or(static_cast<std::int64_t>(heads)));
        if (of.turned && found->second == "attn_q") values = rotated_side_by_side(values, view.shape[0], heads);
        if (of.turned && found->second == "attn_k") values = rotated_side_by_side(values, view.shape[0], kv_heads);
        if (of.norms_plus_one && found->second.ends_with("norm")) {
            for (float& value : values) value += 1.0f;
        }
        if (of.by_kind && found->second == "attn_qkv") values = by_kind(values, heads);
        made.floats(layer + std::string(found->second) + view.name.substr(last), view.shape, values);
    });
    return made;
}

}  // namespace

TEST_CASE("Granite in a gguf file computes what PyTorch computes", "[io][gguf][granite]") {
    const family granite{.architecture = "granite",
                         .sizes = llama_sizes,
                         .reals = {{"rms_norm_eps", "attention.layer_norm_rms_epsilon"},
                                   {"rope_theta", "rope.freq_base"},
                                   {"embedding_multiplier", "embedding_scale"},
                                   {"residual_multiplier", "residual_scale"},
                                   {"attention_multiplier", "attention.scale"},
                                   {"logits_scaling", "logit_scale"}},
                         .tensors = llama_tensors,
                         .turned = true};
    CHECK(worst_of_gguf<eo::granite<>>(gguf_of("granite", granite), "granite") < support::tolerance);
    // Unlike in a config.json, an absent factor on the scores is 1 / sqrt(head_dim).
    CHECK(worst_of_gguf<eo::granite<>>(gguf_of("granite_biases", granite).set("granite.attention.scale", 1.0f),
                                       "granite_biases") < support::tolerance);
    CHECK(worst_of_gguf<eo::granite<>>(gguf_of("granite_biases", granite), "granite_biases") > 0.01f);
}

TEST_CASE("SmolLM3 in a gguf file computes what PyTorch computes", "[io][gguf][smollm3]") {
    const family smollm3{
        .architecture = "smollm3",
        .sizes = llama_sizes,
        .reals = {{"rms_norm_eps", "attention.layer_norm_rms_epsilon"}, {"rope_theta", "rope.freq_base"}},
        .tensors = llama_tensors,
        .turned = true};
    // llama.cpp has no key for layers without positions: every fourth one.
    CHECK(worst_of_gguf<eo::smollm3<>>(gguf_of("smollm3_interval", smollm3), "smollm3_interval") < support::tolerance);
}

TEST_CASE("Phi-3 in a gguf file computes what PyTorch computes", "[io][gguf][phi3]") {
    const family phi3{.architecture = "phi3",
                      .sizes = llama_sizes,
                      .reals = {{"rms_norm_eps", "attention.layer_norm_rms_epsilon"}, {"rope_theta", "rope.freq_base"}},
                      .tensors = {{"model.embed_tokens", "token_embd"},
                                  {"model.norm", "output_norm"},
                                  {"lm_head", "output"},
                                  {"self_attn.qkv_proj", "attn_qkv"},
                                  {"self_attn.o_proj", "attn_output"},
                                  {"mlp.gate_up_proj", "ffn_up"},
                                  {"mlp.down_proj", "ffn_down"},
                                  {"input_layernorm", "attn_norm"},
                                  {"post_attention_layernorm", "ffn_norm"}}};
    CHECK(worst_of_gguf<eo::phi3<>>(gguf_of("phi3", phi3).set("phi3.attention.sliding_window", 9u), "phi3") <
          support::tolerance);
    gguf_builder longrope = gguf_of("phi3_longrope", phi3).set("phi3.rope.dimension_count", 6u);
    longrope.set("phi3.rope.scaling.original_context_length", 48u).set("phi3.rope.scaling.attn_factor", 1.2398212f);
    longrope.floats("rope_factors_short.weight", {3}, {1.0f, 1.3f, 2.1f});
    longrope.floats("rope_factors_long.weight", {3}, {1.0f, 4.5f, 9.0f});
    CHECK(worst_of_gguf<eo::phi3<>>(longrope, "phi3_longrope") < support::tolerance);
}

TEST_CASE("YaRN in a gguf file is transformers' YaRN", "[io][gguf][rotary]") {
    const family llama{
        .architecture = "llama",
        .sizes = llama_sizes,
        .reals = {{"rms_norm_eps", "attention.layer_norm_rms_epsilon"}, {"rope_theta", "rope.freq_base"}},
        .tensors = llama_tensors,
        .turned = true};
    gguf_builder yarn = gguf_of("llama_yarn", llama).set("llama.rope.scaling.type", "yarn");
    yarn.set("llama.rope.scaling.factor", 4.0f).set("llama.rope.scaling.original_context_length", 256u);
    CHECK(worst_of_gguf<eo::llama<>>(yarn, "llama_yarn") < support::tolerance);
    CHECK(worst_of_gguf<eo::llama<>>(yarn.set("llama.rope.scaling.yarn_beta_fast", 9.0f), "llama_yarn") > 0.01f);
    CHECK(error_of([&] {
              (void)worst_of_gguf<eo::llama<>>(yarn.set("llama.rope.scaling.yarn_ext_factor", 0.5f), "llama_yarn");
          }) == thrown(errc::unsupported, {"'llama.rope.scaling.yarn_ext_factor'", "0.5"}));
}

TEST_CASE("StableLM in a gguf file computes what PyTorch computes", "[io][gguf][stablelm]") {
    const family stablelm{
        .architecture = "stablelm",
        .sizes = llama_sizes,
        .reals = {{"layer_norm_eps", "attention.layer_norm_epsilon"}, {"rope_theta", "rope.freq_base"}},
        .tensors = llama_tensors};
    for (const std::string name : {"stablelm", "stablelm_biases"}) {
        INFO(name);
        gguf_builder file = gguf_of(name, stablelm).set("stablelm.rope.dimension_count", 4u);
        if (name == "stablelm_biases") file.set("stablelm.rope.freq_base", 40000.0f);
        CHECK(worst_of_gguf<eo::stablelm<>>(file.set("stablelm.use_parallel_residual", false), name) <
              support::tolerance);
    }
    CHECK(error_of([&] {
              (void)worst_of_gguf<eo::stablelm<>>(
                  gguf_of("stablelm", stablelm).set("stablelm.use_parallel_residual", true), "stablelm");
          }) == thrown(errc::unsupported, {"'use_parallel_residual'"}));
}

TEST_CASE("Phi-2 in a gguf file computes what PyTorch computes", "[io][gguf][phi]") {
    const family phi{.architecture = "phi2",
                     .sizes = llama_sizes,
                     .reals = {{"layer_norm_eps", "attention.layer_norm_epsilon"}, {"rope_theta", "rope.freq_base"}},
                     .tensors = {{"model.embed_tokens", "token_embd"},
                                 {"model.final_layernorm", "output_norm"},
                                 {"lm_head", "output"},
                                 {"self_attn.q_proj", "attn_q"},
                                 {"self_attn.k_proj", "attn_k"},
                                 {"self_attn.v_proj", "attn_v"},
                                 {"self_attn.dense", "attn_output"},
                                 {"mlp.fc1", "ffn_up"},
                                 {"mlp.fc2", "ffn_down"},
                                 {"input_layernorm", "attn_norm"}}};
    for (const std::string name : {"phi", "phi_grouped"}) {
        INFO(name);
        CHECK(worst_of_gguf<eo::phi<>>(gguf_of(name, phi).set("phi2.rope.dimension_count", 4u), name) <
              support::tolerance);
    }
}

TEST_CASE("GPT-NeoX in a gguf file computes what PyTorch computes", "[io][gguf][gpt_neox]") {
    const family neox{
        .architecture = "gptneox",
        .sizes = llama_sizes,
        .reals = {{"layer_norm_eps", "attention.layer_norm_epsilon"}, {"rotary_emb_base", "rope.freq_base"}},
        .tensors = {{"gpt_neox.embed_in", "token_embd"},
                    {"gpt_neox.final_layer_norm", "output_norm"},
                    {"embed_out", "output"},
                    {"attention.query_key_value", "attn_qkv"},
                    {"attention.dense", "attn_output"},
                    {"mlp.dense_h_to_4h", "ffn_up"},
                    {"mlp.dense_4h_to_h", "ffn_down"},
                    {"input_layernorm", "attn_norm"},
                    {"post_attention_layernorm", "ffn_norm"}},
        .by_kind = true};
    for (const std::string name : {"gpt_neox", "gpt_neox_sequential"}) {
        INFO(name);
        gguf_builder file = gguf_of(name, neox).set("gptneox.rope.dimension_count", name == "gpt_neox" ? 4u : 6u);
        file.set("gptneox.use_parallel_residual", name == "gpt_neox");
        CHECK(worst_of_gguf<eo::gpt_neox<>>(file, name) < support::tolerance);
    }
}

namespace {

const std::vector<name_pair> rms_reals{{"rms_norm_eps", "attention.layer_norm_rms_epsilon"},
                                       {"rope_theta", "rope.freq_base"},
                                       {"attn_logit_softcapping", "attn_logit_softcapping"},
                                       {"final_logit_softcapping", "final_logit_softcapping"}};
const std::vector<name_pair> post_normed_tensors{{"model.embed_tokens", "token_embd"},
                                                 {"model.norm", "output_norm"},
                                                 {"lm_head", "output"},
                                                 {"self_attn.q_proj", "attn_q"},
                                                 {"self_attn.k_proj", "attn_k"},
                                                 {"self_attn.v_proj", "attn_v"},
                                                 {"self_attn.o_proj", "attn_output"},
                                                 {"self_attn.q_norm", "attn_q_norm"},
                                                 {"self_attn.k_norm", "attn_k_norm"},
                                                 {"mlp.gate_proj", "ffn_gate"},
                                                 {"mlp.up_proj", "ffn_up"},
                                                 {"mlp.down_proj", "ffn_down"},
                                                 {"input_layernorm", "attn_norm"},
                                                 {"post_attention_layernorm", "post_attention_norm"},
                                                 {"pre_feedforward_layernorm", "ffn_norm"},
                                                 {"post_feedforward_layernorm", "post_ffw_norm"}};

}  // namespace

TEST_CASE("Gemma in a gguf file computes what PyTorch computes", "[io][gguf][gemma]") {
    const family gemma{.architecture = "gemma",
                       .sizes = llama_sizes,
                       .reals = rms_reals,
                       .tensors = llama_tensors,
                       .norms_plus_one = true};
    CHECK(worst_of_gguf<eo::gemma<>>(gguf_of("gemma", gemma), "gemma") < support::tolerance);
}

TEST_CASE("Gemma 2 and 3 in a gguf file compute what PyTorch computes", "[io][gguf][gemma2][gemma3]") {
    // llama.cpp has no key for the divisor of scores: a head's width, as in this one.
    const family gemma3{.architecture = "gemma3",
                        .sizes = llama_sizes,
                        .reals = rms_reals,
                        .tensors = post_normed_tensors,
                        .norms_plus_one = true};
    gguf_builder third = gguf_of("gemma3_six", gemma3).set("gemma3.attention.sliding_window", 4u);
    CHECK(worst_of_gguf<eo::gemma3<>>(third.set("gemma3.rope.freq_base_swa", 500.0f), "gemma3_six") <
          support::tolerance);
    CHECK(worst_of_gguf<eo::gemma3<>>(third.set("gemma3.attention.sliding_window_pattern", 2u), "gemma3_six") > 0.01f);
    CHECK(error_of([&] { (void)worst_of_gguf<eo::gemma3<>>(gguf_of("gemma3_six", gemma3), "gemma3_six"); }) ==
          thrown(errc::unsupported, {"'gemma3.attention.sliding_window'", "a window", "none"}));
    const family gemma2{.architecture = "gemma2",
                        .sizes = llama_sizes,
                        .reals = rms_reals,
                        .tensors = post_normed_tensors,
                        .norms_plus_one = true};
    gguf_builder second = gguf_of("gemma2_head_width", gemma2).set("gemma2.attention.sliding_window", 5u);
    CHECK(worst_of_gguf<eo::gemma2<>>(second, "gemma2_head_width") < support::tolerance);
}

TEST_CASE("OLMo 2 in a gguf file computes what PyTorch computes", "[io][gguf][olmo2]") {
    const family olmo2{
        .architecture = "olmo2", .sizes = llama_sizes, .reals = rms_reals, .tensors = post_normed_tensors};
    for (const std::string name : {"olmo2", "olmo2_biases"}) {
        INFO(name);
        CHECK(worst_of_gguf<eo::olmo2<>>(gguf_of(name, olmo2), name) < support::tolerance);
    }
}

TEST_CASE("StarCoder in a gguf file computes what PyTorch computes", "[io][gguf][gpt_bigcode]") {
    const family starcoder{.architecture = "starcoder",
                           .sizes = {{"n_layer", "block_count"},
                                     {"n_embd", "embedding_length"},
                                     {"n_inner", "feed_forward_length"},
                                     {"n_head", "attention.head_count"},
                                     {"n_positions", "context_length"}},
                           .reals = {{"layer_norm_epsilon", "attention.layer_norm_epsilon"}},
                           .tensors = {{"transformer.wte", "token_embd"},
                                       {"transformer.wpe", "position_embd"},
                                       {"transformer.ln_f", "output_norm"},
                                       {"ln_1", "attn_norm"},
                                       {"attn.c_attn", "attn_qkv"},
                                       {"attn.c_proj", "attn_output"},
                                       {"ln_2", "ffn_norm"},
                                       {"mlp.c_fc", "ffn_up"},
                                       {"mlp.c_proj", "ffn_down"}}};
    gguf_builder file = gguf_of("gpt_bigcode", starcoder);
    CHECK(error_of([&] { (void)worst_of_gguf<eo::gpt_bigcode<>>(file, "gpt_bigcode"); }) ==
          thrown(errc::unsupported, {"'starcoder.attention.head_count_kv'", "expected 1", "none"}));
    file.set("starcoder.attention.head_count_kv", 1u);
    CHECK(worst_of_gguf<eo::gpt_bigcode<>>(file, "gpt_bigcode") < support::tolerance);
}
