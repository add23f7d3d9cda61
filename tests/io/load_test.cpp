// SPDX-License-Identifier: MIT
#include <earlyout/io/load.hpp>

#include <earlyout/io/packed_writer.hpp>
#include <earlyout/models/gpt2.hpp>
#include <earlyout/models/llama.hpp>
#include <earlyout/models/qwen2.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/gguf.hpp"
#include "support/golden_pass.hpp"
#include "support/random.hpp"
#include "support/random_blocks.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::gguf_builder;
using support::temporary_folder;
using support::thrown;

namespace {

using name_pair = std::pair<std::string_view, std::string_view>;

constexpr std::array<name_pair, 9> llama_names{{{"self_attn.q_proj", "attn_q"},
                                                {"self_attn.k_proj", "attn_k"},
                                                {"self_attn.v_proj", "attn_v"},
                                                {"self_attn.o_proj", "attn_output"},
                                                {"mlp.gate_proj", "ffn_gate"},
                                                {"mlp.up_proj", "ffn_up"},
                                                {"mlp.down_proj", "ffn_down"},
                                                {"input_layernorm", "attn_norm"},
                                                {"post_attention_layernorm", "ffn_norm"}}};

/// Rows [heads][2][n] as llama.cpp's converter writes them: [heads][n][2].
std::string turned(std::string_view bytes, std::size_t rows, std::size_t heads) {
    const std::size_t half = rows / heads / 2, size = bytes.size() / rows;
    std::string made;
    for (std::size_t r = 0; r < rows; ++r) {
        const std::size_t head = r / (2 * half), pair = r % (2 * half) / 2, side = r % 2;
        made += bytes.substr(((head * 2 + side) * half + pair) * size, size);
    }
    return made;
}

std::string_view bytes_of(const eo::tensor_view& view) {
    return {reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size()};
}
std::uint32_t kind_of(eo::dtype type) { return type == eo::dtype::f32 ? 0 : type == eo::dtype::f16 ? 1 : 30; }

/// A golden Llama as a GGUF file.
gguf_builder llama_gguf(const std::string& name) {
    const eo::io::hugging_face_checkpoint from(support::golden_folder(name));
    gguf_builder made;
    const auto size = [&](const char* key) { return static_cast<std::uint32_t>(from.integer(key).value_or(0)); };
    const std::uint32_t heads = size("num_attention_heads");
    const std::uint32_t kv_heads = from.integer("num_key_value_heads") ? size("num_key_value_heads") : heads;
    made.set("general.architecture", "llama").set("llama.block_count", size("num_hidden_layers"));
    made.set("llama.embedding_length", size("hidden_size")).set("llama.feed_forward_length", size("intermediate_size"));
    made.set("llama.attention.head_count", heads).set("llama.attention.head_count_kv", kv_heads);
    if (from.integer("head_dim")) made.set("llama.attention.key_length", size("head_dim"));
    made.set("llama.context_length", size("max_position_embeddings"));
    made.set("llama.attention.layer_norm_rms_epsilon", static_cast<float>(*from.real("rms_norm_eps")));
    made.set("llama.rope.freq_base", static_cast<float>(from.real("rope_theta").value_or(10000.0)));
    from.for_each_tensor([&](const eo::tensor_view& view) {
        const std::string suffix = view.name.substr(view.name.rfind('.'));
        std::string theirs = view.name == "model.embed_tokens.weight" ? "token_embd.weight"
                             : view.name == "model.norm.weight"       ? "output_norm.weight"
                                                                      : "output.weight";
        std::string bytes(bytes_of(view));
        if (const std::string layers = "model.layers."; view.name.starts_with(layers)) {
            const std::size_t dot = view.name.find('.', layers.size());
            const std::string part = view.name.substr(dot + 1, view.name.rfind('.') - dot - 1);
            const auto found = std::ranges::find(llama_names, std::string_view(part), &name_pair::first);
            if (found == llama_names.end()) return;  // rotary frequencies, which old files carry along
            theirs = "blk." + view.name.substr(layers.size(), dot - layers.size()) + "." + std::string(found->second) +
                     suffix;
            if (found->second == "attn_q") bytes = turned(bytes, view.shape[0], heads);
            if (found->second == "attn_k") bytes = turned(bytes, view.shape[0], kv_heads);
        }
        made.tensor(theirs, view.shape, kind_of(view.type), bytes);
    });
    return made;
}

/// Blocks of pseudo-random codes; the scale is 1 / 128 or so, another one for each block.
std::string blocks(eo::dtype type, std::size_t rows, std::size_t cols, std::uint32_t seed) {
    std::string made(eo::bytes_of(type, rows * cols), '\0');
    for (char& c : made) c = static_cast<char>((seed = seed * 1664525u + 1013904223u) >> 24);
    for (std::size_t at = 0; at < made.size(); at += eo::block_bytes(type)) made[at + 1] = 0x20;
    return made;
}

/// Whether a stored matrix's blocks are the rows of a packed one from `first` on: their values, exactly.
template <class Format>
bool same_values(const std::string& stored, eo::dtype type, std::size_t rows, const eo::packed_matrix<Format>& packed,
                 std::size_t first) {
    std::vector<float> expected(rows * packed.in()), row(packed.in());
    eo::to_floats({"w", type, {rows, packed.in()}, std::as_bytes(std::span(stored))}, expected, "");
    for (std::size_t r = 0; r < rows; ++r) {
        packed.copy_row(first + r, row.data());
        if (!std::equal(row.begin(), row.end(), expected.begin() + static_cast<std::ptrdiff_t>(r * row.size()))) {
            return false;
        }
    }
    return true;
}

}  // namespace

TEST_CASE("a Llama in a gguf file computes what PyTorch does", "[io][load]") {
    for (const std::string name : {"llama_tiny", "llama_gqa", "llama_biases"}) {
        INFO(name);
        const temporary_folder folder;
        folder.write("m.gguf", llama_gguf(name).bytes());
        const auto model = eo::io::load<eo::llama<eo::any_format>>(folder / "m.gguf", eo::any_format::as_stored());
        CHECK(model.source() == (folder / "m.gguf").string());
        CHECK_FALSE(model.has_tokenizer());
        const support::golden expected(name);
        CHECK(support::worst(model.network(), expected, {expected.ids.size()}, 64) < 1e-4f);
        const std::string stored = model.network().weight_format();
        CHECK(stored == (name == "llama_gqa" ? "bf16" : "f32"));
    }
}

TEST_CASE("a GPT-2 in a gguf file computes what PyTorch does", "[io][load]") {
    const eo::io::hugging_face_checkpoint from(support::golden_folder("odd_untied"));
    gguf_builder made;
    const auto size = [&](const char* key) { return static_cast<std::uint32_t>(*from.integer(key)); };
    made.set("general.architecture", "gpt2").set("gpt2.block_count", size("n_layer"));
    made.set("gpt2.embedding_length", size("n_embd")).set("gpt2.feed_forward_length", size("n_inner"));
    made.set("gpt2.attention.head_count", size("n_head")).set("gpt2.context_length", size("n_positions"));
    made.set("gpt2.attention.layer_norm_epsilon", static_cast<float>(*from.real("layer_norm_epsilon")));
    const std::vector<name_pair> names{
        {"attn.c_attn", "attn_qkv"}, {"attn.c_proj", "attn_output"}, {"mlp.c_fc", "ffn_up"}, {"mlp.c_proj", "ffn_down"},
        {"ln_1", "attn_norm"},       {"ln_2", "ffn_norm"},           {"wte", "token_embd"},  {"wpe", "position_embd"},
        {"ln_f", "output_norm"},     {"lm_head", "output"}};
    from.for_each_tensor([&](const eo::tensor_view& view) {
        const std::size_t last = view.name.rfind('.');
        const bool of_layer = view.name.starts_with("h.");
        const std::size_t begin = of_layer ? view.name.find('.', 2) + 1 : 0;
        const auto found =
            std::ranges::find(names, std::string_view(view.name).substr(begin, last - begin), &name_pair::first);
        REQUIRE(found != names.end());
        std::vector<float> values(view.element_count());
        eo::to_floats(view, values, "");
        std::vector<std::size_t> shape = view.shape;
        if (of_layer && shape.size() == 2) {  // Conv1D: the other way round
            std::vector<float> across(values.size());
            for (std::size_t r = 0; r < shape[0]; ++r) {
                for (std::size_t c = 0; c < shape[1]; ++c) across[c * shape[0] + r] = values[r * shape[1] + c];
            }
            values = across;
            std::swap(shape[0], shape[1]);
        }
        const std::string layer = of_layer ? "blk." + view.name.substr(2, begin - 2) : "";
        made.floats(layer + std::string(found->second) + view.name.substr(last), shape, values);
    });
    const temporary_folder folder;
    folder.write("m.gguf", made.bytes());
    const auto model = eo::io::load_gguf<eo::gpt2<>>(folder / "m.gguf");
    const support::golden expected("odd_untied");
    CHECK(support::worst(model.network(), expected, {expected.ids.size()}, 64) < 1e-4f);
}

TEST_CASE("Q8_0 and Q4_0 matrices are copied code by code, each in its own format", "[io][load]") {
    constexpr std::size_t d = 64, heads = 2, kv_heads = 1, head_dim = 32, ff = 96, vocab = 40;
    using eo::dtype;
    const auto kind = [](dtype type) { return type == dtype::q8_0 ? 8u : 2u; };
    gguf_builder made;
    made.set("general.architecture", "llama").set("llama.block_count", 1u).set("llama.context_length", 8u);
    made.set("llama.embedding_length", static_cast<std::uint32_t>(d));
    made.set("llama.feed_forward_length", static_cast<std::uint32_t>(ff));
    made.set("llama.attention.head_count", static_cast<std::uint32_t>(heads));
    made.set("llama.attention.head_count_kv", static_cast<std::uint32_t>(kv_heads));
    for (const char* norm : {"output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"}) {
        made.floats(norm, {d}, std::vector<float>(d, 1.0f));
    }
    std::uint32_t seed = 0;
    const auto add = [&](const std::string& name, std::size_t rows, std::size_t cols, dtype type,
                         std::size_t turn = 0) {
        const std::string stored = blocks(type, rows, cols, ++seed);
        made.tensor(name + ".weight", {rows, cols}, kind(type), turn == 0 ? stored : turned(stored, rows, turn));
        return stored;
    };
    const std::string tokens = add("token_embd", vocab, d, dtype::q8_0);
    const std::string output = add("output", vocab, d, dtype::q8_0);
    const std::string q = add("blk.0.attn_q", heads * head_dim, d, dtype::q4_0, heads);
    const std::string k = add("blk.0.attn_k", kv_heads * head_dim, d, dtype::q8_0, kv_heads);
    const std::string v = add("blk.0.attn_v", kv_heads * head_dim, d, dtype::q4_0);
    const std::string o = add("blk.0.attn_output", d, heads * head_dim, dtype::q4_0);
    const std::string gate = add("blk.0.ffn_gate", ff, d, dtype::q4_0);
    const std::string up = add("blk.0.ffn_up", ff, d, dtype::q4_0);
    const std::string down = add("blk.0.ffn_down", d, ff, dtype::q8_0);
    const temporary_folder folder;
    folder.write("m.gguf", made.bytes());
    const eo::io::gguf_checkpoint from(folder / "m.gguf");

    using network = eo::llama<eo::any_format>;
    const auto check = [&](const char* format, const char* joined, const char* four, const char* eight) {
        INFO(format);
        auto parts = network::from_checkpoint(from, eo::any_format(format)).release();
        auto& block = parts.blocks.front();
        const auto& projected = block.attention.query_key_value().weight();
        std::string ranges;  // of rows, each in its own format
        projected.share([&](std::size_t, const eo::packed_weights& range) { ranges += range.format; });
        CHECK(ranges == joined);
        CHECK(std::string(block.attention.output().weight().format_name()) == four);
        CHECK(std::string(block.feed_forward.gate_up().weight().format_name()) == four);
        CHECK(std::string(block.feed_forward.down().weight().format_name()) == eight);
        CHECK(std::string(parts.output.weight().format_name()) == eight);
        CHECK(same_values(q, dtype::q4_0, heads * head_dim, projected, 0));
        CHECK(same_values(k, dtype::q8_0, kv_heads * head_dim, projected, block.attention.key_row()));
        CHECK(same_values(v, dtype::q4_0, kv_heads * head_dim, projected, block.attention.value_row()));
        CHECK(same_values(o, dtype::q4_0, d, block.attention.output().weight(), 0));
        CHECK(same_values(gate, dtype::q4_0, ff, block.feed_forward.gate_up().weight(), 0));
        CHECK(same_values(up, dtype::q4_0, ff, block.feed_forward.gate_up().weight(), block.feed_forward.up_row()));
        CHECK(same_values(down, dtype::q8_0, d, block.feed_forward.down().weight(), 0));
        CHECK(same_values(output, dtype::q8_0, vocab, parts.output.weight(), 0));
        // The embedding keeps its blocks.
        CHECK(parts.tokens.bytes() == tokens.size());
        std::vector<float> row(d), expected(vocab * d);
        parts.tokens.copy_row(17, row.data());
        eo::to_floats(*from.find("model.embed_tokens.weight"), expected, "");
        CHECK(std::equal(row.begin(), row.end(), expected.begin() + 17 * d));
    };
    check("stored", "int4int8int4", "int4", "int8");
    check("int8", "int8", "int8", "int8");
}

TEST_CASE("exits are stored beside a gguf file under its name", "[io][load]") {
    const temporary_folder folder;
    folder.write("m.gguf", llama_gguf("llama_tiny").bytes());
    CHECK(eo::io::sidecar_path(folder / "m.gguf") == folder / "m.exits.safetensors");
    CHECK(eo::io::sidecar_path(folder.path()) == folder / "exits.safetensors");
    using model = eo::llama<eo::any_format>;
    const auto first = eo::io::load<model>(folder / "m.gguf");
    const eo::model_shape& shape = first.network().shape();
    CHECK(error_of([&] { (void)first.exits(); }) == thrown(errc::no_such_file, {"m.exits.safetensors"}));
    eo::exit_weights exits;
    exits.set_model(
        {shape.layers, shape.d_model, shape.vocab, eo::io::open_checkpoint(folder / "m.gguf")->fingerprint(), "f32"});
    exits.set_layers({1}).set("sec.weight", {3, shape.d_model}, std::vector<float>(3 * shape.d_model, 0.25f));
    eo::io::write_exits(folder / "m.exits.safetensors", exits);
    CHECK(eo::io::load<model>(folder / "m.gguf").has_exits());
    CHECK(error_of([&] { (void)eo::io::load<eo::gpt2<>>(folder / "m.gguf"); }) ==
          thrown(errc::unsupported, {"m.gguf", "'model_type'", "gpt2", "'llama'"}));
}

TEST_CASE("a file that is not a model is refused by name", "[io][load][errors]") {
    const temporary_folder folder;
    folder.write("file", "x");
    CHECK(error_of([&] { (void)eo::io::load<eo::gpt2<>>(folder / "file"); }) ==
          thrown(errc::malformed_file, {(folder / "file").string(), "begins with GGUF"}));
    CHECK(error_of([&] { (void)eo::io::load<eo::gpt2<>>(folder / "absent"); }) ==
          thrown(errc::no_such_file, {(folder / "absent").string()}));
}

TEST_CASE("a file in llama.cpp's mix of types keeps each matrix in its own", "[io][load]") {
    // As Q4_K_M: Q4_K, Q6_K for attn_v and ffn_down, and Q5_0 and Q8_0 where rows are no multiples of 256.
    constexpr std::size_t d = 256, heads = 4, kv_heads = 2, head_dim = 64, ff = 288, vocab = 50;
    support::random_source random(5);
    gguf_builder made;
    made.set("general.architecture", "qwen2").set("qwen2.block_count", 1u).set("qwen2.context_length", 8u);
    made.set("qwen2.embedding_length", static_cast<std::uint32_t>(d));
    made.set("qwen2.feed_forward_length", static_cast<std::uint32_t>(ff));
    made.set("qwen2.attention.head_count", static_cast<std::uint32_t>(heads));
    made.set("qwen2.attention.head_count_kv", static_cast<std::uint32_t>(kv_heads));
    std::size_t matrix_bytes = 0;
    const auto add = [&]<class Format>(Format, std::uint32_t kind, const std::string& name, std::size_t rows,
                                       std::size_t cols) {
        const auto blocks =
            support::random_blocks<Format>(random, rows * cols / Format::layout.values, 0.02f / (1 << Format::bits));
        matrix_bytes += blocks.size();
        made.tensor(name, {rows, cols}, kind, {reinterpret_cast<const char*>(blocks.data()), blocks.size()});
    };
    for (const char* norm : {"output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"}) {
        made.floats(norm, {d}, std::vector<float>(d, 1.0f));
    }
    for (const auto& [name, size] : {std::pair{"q", d}, {"k", kv_heads * head_dim}, {"v", kv_heads * head_dim}}) {
        made.floats("blk.0.attn_" + std::string(name) + ".bias", {size}, std::vector<float>(size, 0.1f));
    }
    add(eo::q6_k{}, 14, "token_embd.weight", vocab, d);
    add(eo::q4_k{}, 12, "blk.0.attn_q.weight", d, d);
    add(eo::q4_k{}, 12, "blk.0.attn_k.weight", kv_heads * head_dim, d);
    add(eo::q6_k{}, 14, "blk.0.attn_v.weight", kv_heads * head_dim, d);
    add(eo::q4_k{}, 12, "blk.0.attn_output.weight", d, d);
    add(eo::q4_k{}, 12, "blk.0.ffn_gate.weight", ff, d);
    add(eo::q4_k{}, 12, "blk.0.ffn_up.weight", ff, d);
    add(eo::q5_0{}, 6, "blk.0.ffn_down.weight", d, ff);
    const temporary_folder folder;
    folder.write("m.gguf", made.bytes());
    const eo::io::gguf_checkpoint from(folder / "m.gguf");

    using network = eo::qwen2<eo::any_format>;
    const network stored = network::from_checkpoint(from, eo::any_format::as_stored());
    std::string formats;
    std::size_t bytes = 0;
    stored.visit_matrices([&](std::span<const std::string>, const eo::packed_weights& matrix) {
        formats += matrix.format + " ";
        bytes += matrix.bytes / eo::round_up(matrix.out, 32) * matrix.out;  // without the rows that fill a panel
    });
    CHECK(formats == "q4_k q6_k q4_k q4_k q5_0 q6_k ");
    CHECK(bytes == matrix_bytes);

    // The same weights in floats; what differs is the rounding of activations.
    const network exact = network::from_checkpoint(from, eo::f32{});
    const auto logits = [&](const network& net) {
        const std::vector<eo::token_id> ids{3, 17, 40, 8};
        support::forward_pass pass(net, ids, 4, support::one_thread());
        pass.run(1, 1, 0, ids.size());
        return pass.logits(ids.size() - 1);
    };
    const std::vector<float> expected = logits(exact), found = logits(stored);
    double wrong = 0, all = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        wrong += (found[i] - expected[i]) * (found[i] - expected[i]);
        all += expected[i] * expected[i];
    }
    CHECK(wrong < 1e-3 * all);
    CHECK(all > 0.0);

    // A packed file has each range of rows by its first tensor.
    eo::io::write_packed(folder / "m.packed", from, stored);
    const network packed =
        network::from_checkpoint(eo::io::packed_checkpoint(folder / "m.packed"), eo::any_format::as_stored());
    CHECK(logits(packed) == found);
}
