// SPDX-License-Identifier: MIT
// The golden gpt-oss in MXFP4 as a GGUF file, with the names, keys and codes of llama.cpp's converter.
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/io/gguf.hpp>
#include <earlyout/io/hugging_face.hpp>
#include <earlyout/models/gpt_oss.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
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
using support::thrown;
using support::worst_of_gguf;

namespace {

constexpr const char* oss_name = "gpt_oss_mxfp4";
constexpr std::uint32_t mxfp4_kind = 39;

const std::map<std::string, std::string, std::less<>> oss_names{{"model.embed_tokens.weight", "token_embd.weight"},
                                                                {"model.norm.weight", "output_norm.weight"},
                                                                {"lm_head.weight", "output.weight"},
                                                                {"input_layernorm", "attn_norm"},
                                                                {"self_attn.q_proj", "attn_q"},
                                                                {"self_attn.k_proj", "attn_k"},
                                                                {"self_attn.v_proj", "attn_v"},
                                                                {"self_attn.o_proj", "attn_output"},
                                                                {"post_attention_layernorm", "post_attention_norm"},
                                                                {"mlp.router", "ffn_gate_inp"},
                                                                {"gate_proj", "ffn_gate_exps"},
                                                                {"up_proj", "ffn_up_exps"},
                                                                {"down_proj", "ffn_down_exps"}};

/// Rows first, first + step ... of each expert's codes, code by code in GGUF's order.
std::string repacked(const eo::io::byte_tensor& codes, const eo::io::byte_tensor& scales, std::size_t first,
                     std::size_t step) {
    std::string made;
    const std::size_t groups = codes.shape[2];
    for (std::size_t row = first; row < codes.shape[0] * codes.shape[1]; row += step) {
        for (std::size_t g = row * groups; g < (row + 1) * groups; ++g) {
            const auto code = [&](std::size_t i) {
                return std::to_integer<int>(codes.bytes[g * 16 + i / 2]) >> (i % 2 * 4) & 15;
            };
            made.push_back(std::to_integer<char>(scales.bytes[g]));
            for (std::size_t i = 0; i < 16; ++i) made.push_back(static_cast<char>(code(i) | code(i + 16) << 4));
        }
    }
    return made;
}

/// @param plain experts in f32
gguf_builder oss_gguf(bool plain = false) {
    const eo::memory_checkpoint from = support::editable_copy(oss_name);
    const auto size = [&](const char* key) { return static_cast<std::uint32_t>(*from.integer(key)); };
    gguf_builder made;
    made.set("general.architecture", "gpt-oss");
    for (const auto& [ours, theirs] : {std::pair{"num_hidden_layers", "block_count"},
                                       {"hidden_size", "embedding_length"},
                                       {"intermediate_size", "feed_forward_length"},
                                       {"intermediate_size", "expert_feed_forward_length"},
                                       {"num_attention_heads", "attention.head_count"},
                                       {"num_key_value_heads", "attention.head_count_kv"},
                                       {"head_dim", "attention.key_length"},
                                       {"head_dim", "attention.value_length"},
                                       {"max_position_embeddings", "context_length"},
                                       {"sliding_window", "attention.sliding_window"},
                                       {"num_local_experts", "expert_count"},
                                       {"num_experts_per_tok", "expert_used_count"}}) {
        made.set(std::string("gpt-oss.").append(theirs), size(ours));
    }
    made.set("gpt-oss.attention.layer_norm_rms_epsilon", static_cast<float>(*from.real("rms_norm_eps")));
    made.set("gpt-oss.rope.freq_base", static_cast<float>(*from.real("rope_parameters.rope_theta")));
    made.set("gpt-oss.rope.scaling.type", "yarn").set("gpt-oss.rope.scaling.factor", 32.0f);
    made.set("gpt-oss.rope.scaling.original_context_length", 4096u);

    const std::size_t experts = size("num_local_experts");
    std::set<std::string> stacks;
    support::golden_tensors(oss_name, [&](const eo::tensor_view& view) {
        std::string layer, part = view.name;
        if (constexpr std::string_view before = "model.layers."; part.starts_with(before)) {
            const std::size_t dot = part.find('.', before.size());
            layer = "blk." + part.substr(before.size(), dot - before.size()) + ".";
            part = part.substr(dot + 1);
        }
        const std::vector<float> values = support::values_of(from, view.name);
        if (const auto whole = oss_names.find(part); whole != oss_names.end()) {
            made.floats(whole->second, view.shape, values);
            return;
        }
        if (part == "self_attn.sinks") {
            made.floats(layer + "attn_sinks.weight", view.shape, values);
            return;
        }
        const std::size_t last = part.rfind('.');
        const std::string kind = part.substr(last);
        if (!part.starts_with("mlp.experts.")) {
            made.floats(layer + oss_names.at(part.substr(0, last)) + kind, view.shape, values);
            return;
        }
        const std::string matrix = part.substr(part.find('.', 12) + 1, last - part.find('.', 12) - 1);
        const std::string theirs = layer + oss_names.at(matrix) + kind;
        if ((kind == ".weight" && !plain) || !stacks.insert(theirs).second) return;
        std::vector<std::size_t> shape = view.shape;
        shape.insert(shape.begin(), experts);
        std::vector<float> all;
        for (std::size_t e = 0; e < experts; ++e) {
            const std::vector<float> of = support::values_of(
                from, "model.layers." + layer.substr(4) + "mlp.experts." + std::to_string(e) + "." + matrix + kind);
            all.insert(all.end(), of.begin(), of.end());
        }
        made.floats(theirs, shape, all);
    });
    if (plain) return made;
    const eo::io::safetensors_file file(support::golden_folder(oss_name) / "model.safetensors");
    for (std::size_t i = 0; i < size("num_hidden_layers"); ++i) {
        const auto add = [&](const char* tensor, const std::string& matrix, std::size_t first, std::size_t step) {
            const std::string ours = "model.layers." + std::to_string(i) + ".mlp.experts." + matrix;
            const auto& codes = *file.contents().find_bytes(ours + "_blocks");
            made.tensor("blk." + std::to_string(i) + "." + tensor + ".weight",
                        {experts, codes.shape[1] / step, codes.shape[2] * 32}, mxfp4_kind,
                        repacked(codes, *file.contents().find_bytes(ours + "_scales"), first, step));
        };
        add("ffn_gate_exps", "gate_up_proj", 0, 2);
        add("ffn_up_exps", "gate_up_proj", 1, 2);
        add("ffn_down_exps", "down_proj", 0, 1);
    }
    return made;
}

using oss_stored = eo::gpt_oss<eo::any_format>;

template <class Network>
std::vector<float> last_layer(const Network& network, std::size_t block, eo::executor& on = support::one_thread()) {
    const support::golden text(oss_name);
    support::forward_pass pass(network, text.ids, block, on);
    std::vector<float> all;
    pass.run(1, 2, 0, text.ids.size());
    for (std::size_t p = 0; p < text.ids.size(); ++p) {
        const std::vector<float> row = pass.logits(p);
        all.insert(all.end(), row.begin(), row.end());
    }
    return all;
}

}  // namespace

TEST_CASE("gpt-oss in a gguf file computes what PyTorch computes", "[io][gguf][gpt_oss]") {
    CHECK(worst_of_gguf<eo::gpt_oss<>>(oss_gguf(), oss_name) < support::tolerance);
    CHECK(worst_of_gguf<eo::gpt_oss<>>(oss_gguf(true), oss_name) < support::tolerance);
    gguf_builder none = oss_gguf().set("gpt-oss.attention.sliding_window_pattern", 2u);
    CHECK(worst_of_gguf<eo::gpt_oss<>>(none.set("gpt-oss.rope.freq_base_swa", 150000.0f), oss_name) <
          support::tolerance);
}

TEST_CASE("experts in MXFP4 keep their size and their codes, from a folder and from a gguf file",
          "[io][gguf][gpt_oss][arithmetic]") {
    const support::temporary_folder folder;
    folder.write("m.gguf", oss_gguf().bytes());
    const auto stored = eo::any_format::as_stored();
    const auto from_gguf = eo::io::load_gguf<oss_stored>(folder / "m.gguf", stored);
    const auto from_folder = eo::io::load_hugging_face<oss_stored>(support::golden_folder(oss_name), stored);
    // The file's attention and router are f32; the folder's matrices BF16, which hold the same.
    const std::vector<float> expected = last_layer(from_folder.network(), 1);
    CHECK(support::same_bits(last_layer(from_gguf.network(), 1), expected));
    eo::thread_pool pool(3);
    for (const std::size_t block : {3u, 28u}) {
        CHECK(support::same_bits(last_layer(from_folder.network(), block), expected));
        CHECK(support::same_bits(last_layer(from_gguf.network(), block, pool), expected));
    }
    // 4 experts of 64 + 32 rows of gate and up and 64 of down; each row of a block also has a scale.
    const auto plain = eo::io::load_hugging_face<oss_stored>(support::golden_folder(oss_name), eo::f32{});
    const std::size_t weights = 4 * (64 * 64 + 64 * 32);
    CHECK(plain.network().stored_bytes(1) - from_gguf.network().stored_bytes(1) == weights * 4 - weights / 32 * 17);
    std::size_t in_mxfp4 = 0;
    from_folder.network().visit_matrices([&](std::span<const std::string> names, const eo::packed_weights& matrix) {
        const bool expert = names.front().find(".experts.") != names.front().npos;
        CHECK((matrix.format == "mxfp4") == expert);
        in_mxfp4 += expert ? 1 : 0;
    });
    CHECK(in_mxfp4 == 2 * 4 * 2);
}

TEST_CASE("a gguf file of gpt-oss is refused by the key that says something else", "[io][gguf][gpt_oss][errors]") {
    const auto loading = [](const gguf_builder& file) {
        return error_of([&] { (void)worst_of_gguf<eo::gpt_oss<>>(file, oss_name); });
    };
    CHECK(loading(oss_gguf().set("gpt-oss.attention.sliding_window_pattern", 3u)) ==
          thrown(errc::unsupported, {"'gpt-oss.attention.sliding_window_pattern'", "every other layer"}));
    CHECK(loading(oss_gguf().set("gpt-oss.rope.freq_base_swa", 10000.0f)) ==
          thrown(errc::unsupported, {"'gpt-oss.rope.freq_base_swa'", "150000", "10000"}));
    CHECK(loading(oss_gguf().set("gpt-oss.expert_weights_norm", false)) ==
          thrown(errc::unsupported, {"'gpt-oss.expert_weights_norm'", "expected true"}));
    CHECK(loading(oss_gguf().set("gpt-oss.expert_gating_func", 2u)) ==
          thrown(errc::unsupported, {"'gpt-oss.expert_gating_func'", "2"}));
    gguf_builder lacking;
    lacking.set("general.architecture", "gpt-oss").set("gpt-oss.expert_count", 4u);
    CHECK(loading(lacking) == thrown(errc::unsupported, {"'gpt-oss.attention.sliding_window'", "a window", "none"}));
    lacking.set("gpt-oss.attention.sliding_window", 5u).set("gpt-oss.feed_forward_length", 32u);
    CHECK(loading(lacking.set("gpt-oss.expert_feed_forward_length", 64u)) ==
          thrown(errc::unsupported, {"'gpt-oss.expert_feed_forward_length'", "32", "64"}));

    gguf_builder stack;
    stack.set("general.architecture", "gpt-oss").set("gpt-oss.expert_count", 3u);
    stack.set("gpt-oss.attention.sliding_window", 5u);
    stack.floats("blk.0.ffn_up_exps.bias", {2, 4}, std::vector<float>(8));
    stack.floats("blk.1.ffn_up_exps.bias", {3, 4}, std::vector<float>(12));
    const std::string bytes = stack.bytes();
    const eo::io::gguf_checkpoint from(std::as_bytes(std::span(bytes)), "m.gguf");
    CHECK(error_of([&] { (void)from.find("model.layers.0.mlp.experts.0.up_proj.bias"); }) ==
          thrown(errc::wrong_shape, {"'blk.0.ffn_up_exps.bias'", "biases of 3 experts", "[2, 4]"}));
    CHECK(from.find("model.layers.1.mlp.experts.2.up_proj.bias")->shape == std::vector<std::size_t>{4});
    CHECK(from.boolean("rope_scaling.truncate") == false);
    CHECK(from.text("rope_scaling.rope_type") == "default");
}
