// SPDX-License-Identifier: MIT
#include <earlyout/io/gguf_checkpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/gguf.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
using eo::errc;
using eo::io::gguf_checkpoint;
using support::error_of;
using support::gguf_builder;
using support::temporary_folder;
using support::thrown;

namespace {

constexpr std::size_t query_heads = 4, key_heads = 2, width_of_head = 6, d = 32;

gguf_builder llama(const std::string& name = "llama") {
    gguf_builder made;
    made.set("general.architecture", name.c_str()).set(name + ".block_count", 1u).set(name + ".context_length", 99u);
    made.set(name + ".embedding_length", static_cast<std::uint32_t>(d)).set(name + ".feed_forward_length", 40u);
    made.set(name + ".attention.head_count", static_cast<std::uint32_t>(query_heads));
    made.set(name + ".attention.head_count_kv", static_cast<std::uint32_t>(key_heads));
    made.set(name + ".attention.key_length", static_cast<std::uint32_t>(width_of_head));
    made.set(name + ".attention.layer_norm_rms_epsilon", 0.25f).set(name + ".rope.freq_base", 5000.0f);
    made.floats("token_embd.weight", {3, d}, std::vector<float>(3 * d));
    return made;
}

/// llama.cpp's order of rows [head][2][head_dim / 2]: [head][head_dim / 2][2].
std::string turned(const std::vector<std::string>& rows, std::size_t count) {
    const std::size_t half = rows.size() / count / 2;
    std::string made;
    for (std::size_t head = 0; head < count; ++head) {
        for (std::size_t pair = 0; pair < half; ++pair) {
            for (std::size_t side = 0; side < 2; ++side) made += rows[(head * 2 + side) * half + pair];
        }
    }
    return made;
}

std::string all(const std::vector<std::string>& rows) {
    std::string made;
    for (const std::string& row : rows) made += row;
    return made;
}
std::string bytes(const eo::tensor_view& view) {
    return {reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size()};
}

struct written {
    explicit written(const gguf_builder& made) { folder.write("m.gguf", made.bytes()); }
    [[nodiscard]] gguf_checkpoint open() const { return gguf_checkpoint(folder / "m.gguf"); }
    temporary_folder folder;
};
support::caught opening(const gguf_builder& made) {
    const written file(made);
    return error_of([&] { (void)file.open(); });
}

}  // namespace

TEST_CASE("a gguf file has Hugging Face's keys and names for its architecture", "[io][gguf_checkpoint]") {
    const written file(llama().floats("output_norm.weight", {d}, std::vector<float>(d, 1.0f)).floats("odd", {1}, {7}));
    const gguf_checkpoint from = file.open();
    CHECK(from.source() == (file.folder / "m.gguf").string());
    CHECK(from.text("model_type") == "llama");
    CHECK(from.integer("num_hidden_layers") == 1);
    CHECK(from.integer("hidden_size") == d);
    CHECK(from.integer("intermediate_size") == 40);
    CHECK(from.integer("num_attention_heads") == query_heads);
    CHECK(from.integer("num_key_value_heads") == key_heads);
    CHECK(from.integer("head_dim") == width_of_head);
    CHECK(from.integer("max_position_embeddings") == 99);
    CHECK(from.integer("vocab_size") == 3);
    CHECK(from.real("rms_norm_eps") == 0.25);
    CHECK(from.real("rope_theta") == 5000.0);
    CHECK(from.real("hidden_size") == d);
    CHECK(from.boolean("tie_word_embeddings") == true);
    CHECK(from.boolean("attention_bias") == false);
    CHECK(from.integer("sliding_window") == std::nullopt);
    CHECK(from.text("rope_scaling.rope_type") == std::nullopt);
    REQUIRE(from.find("model.norm.weight") != nullptr);
    CHECK(from.find("model.norm.weight")->name == "model.norm.weight");
    CHECK(from.find("model.norm.weight") == from.find("model.norm.weight"));
    CHECK(from.find("odd") != nullptr);
    CHECK(from.find("output_norm.weight") == nullptr);
    CHECK(from.find("lm_head.weight") == nullptr);
    CHECK(error_of([&] { (void)from.integer("model_type"); }) ==
          thrown(errc::malformed_file, {"m.gguf", "'model_type'", "whole number"}));

    std::vector<std::string> stored;
    from.for_each_tensor([&](const eo::tensor_view& view) { stored.push_back(view.name); });
    CHECK(stored == std::vector<std::string>{"odd", "output_norm.weight", "token_embd.weight"});
    CHECK(from.fingerprint() == file.open().fingerprint());
}

TEST_CASE("llama.cpp's order of query and key rows is undone, whatever the type", "[io][gguf_checkpoint]") {
    for (const std::uint32_t kind : {0u, 8u}) {
        const std::size_t size = kind == 0 ? d * 4 : 34;
        const auto rows_of = [&](std::size_t count, char first) {
            std::vector<std::string> rows;
            for (std::size_t r = 0; r < count; ++r)
                rows.emplace_back(size, static_cast<char>(first + static_cast<int>(r)));
            return rows;
        };
        const auto q = rows_of(query_heads * width_of_head, 1), k = rows_of(key_heads * width_of_head, 60);
        std::vector<std::string> bias;
        for (std::size_t r = 0; r < q.size(); ++r) bias.push_back(support::raw(static_cast<float>(r)));
        const auto add = [&](gguf_builder made, bool turn) {
            const auto order = [&](const auto& rows, std::size_t n) { return turn ? turned(rows, n) : all(rows); };
            made.tensor("blk.0.attn_q.weight", {q.size(), d}, kind, order(q, query_heads));
            made.tensor("blk.0.attn_q.bias", {q.size()}, 0, order(bias, query_heads));
            made.tensor("blk.0.attn_k.weight", {k.size(), d}, kind, order(k, key_heads));
            return made.tensor("blk.0.attn_v.weight", {k.size(), d}, kind, all(k));
        };
        for (const std::string name : {"llama", "qwen2"}) {
            const written file(add(llama(name), name == "llama"));
            const gguf_checkpoint from = file.open();
            CHECK(bytes(*from.find("model.layers.0.self_attn.q_proj.weight")) == all(q));
            CHECK(bytes(*from.find("model.layers.0.self_attn.q_proj.bias")) == all(bias));
            CHECK(bytes(*from.find("model.layers.0.self_attn.k_proj.weight")) == all(k));
            CHECK(bytes(*from.find("model.layers.0.self_attn.v_proj.weight")) == all(k));
            CHECK(from.boolean("attention_bias") == true);
        }
    }
    const written odd(llama().floats("blk.0.attn_q.weight", {4 * 3, 1}, std::vector<float>(12)));
    CHECK(error_of([&] { (void)odd.open().find("model.layers.0.self_attn.q_proj.weight"); }) ==
          thrown(errc::wrong_shape, {"q_proj.weight", "4 heads", "[12, 1]", "F32"}));
    const written none(llama().floats("blk.0.attn_q.weight", {8, 0}, {}));
    CHECK(none.open().find("model.layers.0.self_attn.q_proj.weight")->bytes.empty());
}

TEST_CASE("windows, scaled rotary positions and experts of a gguf file", "[io][gguf_checkpoint]") {
    const auto open = [](const gguf_builder& made, auto check) {
        const written file(made);
        check(file.open());
    };
    open(llama().set("llama.attention.sliding_window", 7u), [](const gguf_checkpoint& from) {
        CHECK(from.text("model_type") == "mistral");
        CHECK(from.integer("sliding_window") == 7);
    });
    open(llama().set("llama.rope.scaling.type", "linear").set("llama.rope.scaling.factor", 4.0f),
         [](const gguf_checkpoint& from) {
             CHECK(from.text("rope_scaling.rope_type") == "linear");
             CHECK(from.real("rope_scaling.factor") == 4.0);
         });
    open(llama().set("llama.rope.scale_linear", 2.0f), [](const gguf_checkpoint& from) {
        CHECK(from.text("rope_scaling.rope_type") == "linear");
        CHECK(from.real("rope_scaling.factor") == 2.0);
    });
    open(llama().set("llama.rope.scaling.factor", 4.0f), [](const gguf_checkpoint& from) {  // as llama.cpp has it
        CHECK(from.text("rope_scaling.rope_type") == "linear");
        CHECK(from.real("rope_scaling.factor") == 4.0);
    });
    open(llama().set("llama.rope.scaling.type", "none").set("llama.rope.scaling.factor", 4.0f),
         [](const gguf_checkpoint& from) { CHECK(from.text("rope_scaling.rope_type") == std::nullopt); });
    open(llama().set("llama.logit_scale", 2.0f).set("llama.attention.scale", 0.5f).set("llama.attention.causal", false),
         [](const gguf_checkpoint& from) {  // for the architecture to refuse
             CHECK(from.real("logit_scale") == 2.0);
             CHECK(from.real("attention_multiplier") == 0.5);
             CHECK(from.boolean("is_causal") == false);
         });
    open(llama().set("llama.logit_scale", 0.0f),
         [](const gguf_checkpoint& from) { CHECK(from.real("logit_scale") == std::nullopt); });
    CHECK(opening(llama().set("llama.rope.scaling.attn_factor", 1.5f)) ==
          thrown(errc::unsupported, {"'llama.rope.scaling.attn_factor'", "1.5"}));
    open(llama().set("llama.rope.scaling.type", "yarn"),
         [](const gguf_checkpoint& from) { CHECK(from.text("rope_scaling.rope_type") == "yarn"); });
    open(llama().set("llama.rope.dimension_count", 3u),
         [](const gguf_checkpoint& from) { CHECK(from.real("partial_rotary_factor") == 0.5); });
    open(llama().set("llama.rope.dimension_count", 6u).floats("rope_freqs.weight", {3}, {1, 2, 3}),
         [](const gguf_checkpoint& from) {
             CHECK(from.real("partial_rotary_factor") == std::nullopt);
             CHECK(from.find("rope_freqs.weight")->element_count() == 3);
         });

    open(llama().set("llama.expert_count", 8u).set("llama.expert_used_count", 2u), [](const gguf_checkpoint& from) {
        CHECK(from.text("model_type") == "mixtral");
        CHECK(from.integer("num_local_experts") == 8);
        CHECK(from.integer("num_experts_per_tok") == 2);
    });
    CHECK(opening(llama("granite").set("granite.expert_count", 8u)) ==
          thrown(errc::unsupported, {"m.gguf", "'granite.expert_count'", "8"}));
    CHECK(opening(llama("qwen2").set("qwen2.attention.sliding_window", 8u)) ==
          thrown(errc::unsupported, {"'qwen2.attention.sliding_window'", "8"}));
    CHECK(opening(llama().set("split.count", 2u)) ==
          thrown(errc::unsupported, {"m.gguf", "'split.count'", "NAME-00001-of-00002.gguf", "part 1"}));
    CHECK(opening(llama("rwkv6")) ==
          thrown(errc::unsupported, {"'general.architecture'", "one of gpt2, llama, granite", "'rwkv6'"}));
    CHECK(opening(gguf_builder()) == thrown(errc::unsupported, {"'general.architecture'", "''"}));
    CHECK(opening(gguf_builder().set("general.architecture", "llama").set("llama.block_count", "two")) ==
          thrown(errc::malformed_file, {"'llama.block_count'", "whole number", "string"}));
}

TEST_CASE("sizes that a gguf file lacks follow from the others", "[io][gguf_checkpoint]") {
    gguf_builder made;
    made.set("general.architecture", "qwen3").set("qwen3.embedding_length", 32u).set("qwen3.attention.head_count", 4u);
    const written file(made);
    const gguf_checkpoint from = file.open();
    CHECK(from.integer("num_key_value_heads") == 4);
    CHECK(from.integer("head_dim") == 8);
}

TEST_CASE("GPT-2 and StarCoder2 have other names", "[io][gguf_checkpoint]") {
    gguf_builder gpt2;
    gpt2.set("general.architecture", "gpt2").set("gpt2.block_count", 2u).set("gpt2.attention.head_count", 3u);
    gpt2.set("gpt2.attention.layer_norm_epsilon", 0.5f).floats("blk.1.attn_qkv.weight", {2, 1}, {1, 2});
    gpt2.floats("position_embd.weight", {1}, {1}).floats("output.weight", {1}, {1});
    const written file(gpt2);
    const gguf_checkpoint from = file.open();
    CHECK(from.text("model_type") == "gpt2");
    CHECK(from.text("conv1d_layout") == "out_in");
    CHECK(from.integer("n_layer") == 2);
    CHECK(from.integer("n_head") == 3);
    CHECK(from.real("layer_norm_epsilon") == 0.5);
    CHECK(from.boolean("tie_word_embeddings") == false);
    CHECK(from.find("transformer.h.1.attn.c_attn.weight")->shape == std::vector<std::size_t>{2, 1});
    CHECK(from.find("transformer.wpe.weight") != nullptr);
    CHECK(from.find("lm_head.weight") != nullptr);

    gguf_builder starcoder = llama("starcoder2");
    starcoder.set("starcoder2.attention.layer_norm_epsilon", 0.5f).set("starcoder2.attention.sliding_window", 5u);
    starcoder.floats("blk.0.attn_q.bias", {1}, {1}).floats("blk.0.ffn_down.weight", {1}, {1});
    const written other(starcoder);
    const gguf_checkpoint second = other.open();
    CHECK(second.text("model_type") == "starcoder2");
    CHECK(second.boolean("use_bias") == true);
    CHECK(second.real("norm_epsilon") == 0.5);
    CHECK(second.integer("sliding_window") == 5);
    CHECK(second.find("model.layers.0.mlp.c_proj.weight") != nullptr);
}

namespace {

/// Part `number` of a model in `count` files.
gguf_builder part(gguf_builder made, unsigned number, unsigned count, std::int32_t tensors = 4) {
    made.set("split.no", number - 1).set("split.count", count);
    return made.key("split.tensors.count", eo::io::gguf_type::i32, support::raw(tensors));
}

}  // namespace

TEST_CASE("a model in several files is opened by the name of any", "[io][gguf_checkpoint]") {
    const temporary_folder folder;
    const auto name = [](unsigned number) { return "m-0000" + std::to_string(number) + "-of-00003.gguf"; };
    const auto opening_part = [&](unsigned number) {
        return error_of([&] { (void)gguf_checkpoint(folder / name(number)); });
    };
    const std::vector<float> norm(d, 2.0f), other(d, 3.0f);
    folder.write(name(1), part(llama(), 1, 3).bytes());
    folder.write(name(2), part(gguf_builder(), 2, 3).floats("output_norm.weight", {d}, norm).bytes());
    CHECK(opening_part(1) == thrown(errc::no_such_file, {"m-00003-of-00003.gguf", "part 1 of 3", "1 is missing"}));
    const auto last = [&](std::uint32_t number) {
        return part(gguf_builder(), number, 3)
            .floats("blk.0.attn_norm.weight", {d}, other)
            .floats("blk.0.ffn_norm.weight", {d}, norm);
    };
    folder.write(name(3), last(3).bytes());
    for (const unsigned number : {1u, 2u, 3u}) {
        const gguf_checkpoint from(folder / name(number));
        CHECK(from.path() == folder / name(1));
        CHECK(eo::read_tensor(from, "model.norm.weight", {d}) == norm);
        CHECK(eo::read_tensor(from, "model.layers.0.input_layernorm.weight", {d}) == other);
        std::string names;
        from.for_each_tensor([&](const eo::tensor_view& view) { names += view.name + ' '; });
        CHECK(names == "blk.0.attn_norm.weight blk.0.ffn_norm.weight output_norm.weight token_embd.weight ");
    }
    folder.write(name(3), last(2).bytes());
    CHECK(opening_part(3) == thrown(errc::mismatch, {"m-00003", "'split.no'", "part 3 of 3", "part 2 of 3"}));
    folder.write(name(3), last(3).floats("token_embd.weight", {d}, norm).bytes());
    CHECK(opening_part(2) == thrown(errc::malformed_file, {"m-00003", "'token_embd.weight'", "another part"}));
    folder.write(name(3), part(gguf_builder(), 3, 3).floats("blk.0.attn_norm.weight", {d}, other).bytes());
    CHECK(opening_part(2) == thrown(errc::malformed_file, {"'split.tensors.count'", "expected 4", "found 3"}));
    std::filesystem::remove(folder / name(1));
    CHECK(opening_part(2) == thrown(errc::no_such_file, {"m-00001-of-00003.gguf"}));
}
