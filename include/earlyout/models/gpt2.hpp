// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_GPT2_HPP
#define EARLYOUT_MODELS_GPT2_HPP

#include <earlyout/core/checkpoint.hpp>
#include <earlyout/nn/attention.hpp>
#include <earlyout/nn/block.hpp>
#include <earlyout/nn/decoder.hpp>
#include <earlyout/nn/feed_forward.hpp>
#include <earlyout/nn/normalization.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout::inline EARLYOUT_ABI {

namespace detail {

template <class Format, model_shape Shape>
using gpt2_block =
    pre_norm_block<layer_norm<Shape.d_model>, self_attention<Format, Shape>, feed_forward<Format, Shape>>;

template <class Format, model_shape Shape>
using gpt2_base = decoder<gpt2_block<Format, Shape>, layer_norm<Shape.d_model>, Format>;

/// Reads one GPT-2 checkpoint, with the stock names with or without the prefix "transformer.".
class gpt2_reader {
public:
    explicit gpt2_reader(const checkpoint& from) : from_(from) {}

    /// The shape that the configuration gives, before it is trusted with an allocation.
    [[nodiscard]] model_shape shape() const {
        (void)require_text("model_type", {"gpt2"}, "gpt2");
        refuse("add_cross_attention");
        model_shape s;
        s.layers = size("n_layer");
        s.d_model = size("n_embd");
        s.heads = size("n_head");
        s.vocab = size("vocab_size");
        s.context = from_.integer("n_positions") ? size("n_positions") : size("n_ctx");
        if (from_.integer("n_inner")) s.d_ff = size("n_inner");
        if (s.heads != 0 && s.d_model % s.heads != 0) {
            fail(errc::wrong_value, from_.source(), ": 'n_embd': expected a multiple of n_head = ", s.heads, ", found ",
                 s.d_model);
        }
        s = s.completed();
        check_shape(s, from_.source());
        return s;
    }

    [[nodiscard]] float epsilon() const {
        const double value = from_.real("layer_norm_epsilon").value_or(1e-5);
        if (!(value > 0.0 && value < 1.0)) {
            fail(errc::wrong_value, from_.source(), ": 'layer_norm_epsilon': expected a number between 0 and 1, found ",
                 value);
        }
        return static_cast<float>(value);
    }

    [[nodiscard]] activation activation_function() const {
        const std::string name =
            require_text("activation_function",
                         {"gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu", "relu", "silu", "swish"}, "gelu_new");
        if (name == "gelu") return activation::gelu_erf;
        if (name == "relu") return activation::relu;
        if (name == "silu" || name == "swish") return activation::silu;
        return activation::gelu_tanh;
    }

    /// Factor on the attention scores of a layer, numbered from 1.
    [[nodiscard]] float scale(const model_shape& s, std::size_t layer) const {
        float value = 1.0f;
        if (from_.boolean("scale_attn_weights").value_or(true)) value /= std::sqrt(static_cast<float>(s.head_dim));
        if (from_.boolean("scale_attn_by_inverse_layer_idx").value_or(false)) value /= static_cast<float>(layer);
        return value;
    }

    [[nodiscard]] bool tied() const { return from_.boolean("tie_word_embeddings").value_or(true); }

    [[nodiscard]] std::vector<float> tensor(const std::string& name, std::initializer_list<std::size_t> shape) const {
        return read_tensor(from_, stored_name(name), shape);
    }
    /// Refuses a missing or mis-shaped tensor before anything of its size is allocated.
    void require(const std::string& name, std::initializer_list<std::size_t> shape) const {
        (void)find_tensor(from_, stored_name(name), shape);
    }

    template <std::size_t DModel>
    [[nodiscard]] layer_norm<DModel> norm(const std::string& name, const model_shape& s) const {
        return {tensor(name + ".weight", {s.d_model}), tensor(name + ".bias", {s.d_model}), epsilon()};
    }

    /// GPT-2 stores matrices transposed ("Conv1D"): weight [in, out].
    template <class Linear>
    void conv1d(const std::string& name, Linear& into) const {
        const std::vector<float> weight = tensor(name + ".weight", {into.in(), into.out()});
        const std::vector<float> bias = tensor(name + ".bias", {into.out()});
        into.weight().set_rows_transposed(0, {weight.data(), into.in(), into.out()});
        std::copy(bias.begin(), bias.end(), into.bias().begin());
    }

    template <class Attention>
    void query_key_value(const std::string& name, const model_shape& s, Attention& into) const {
        const std::size_t d = s.d_model;
        const std::vector<float> weight = tensor(name + ".weight", {d, 3 * d});
        const std::vector<float> bias = tensor(name + ".bias", {3 * d});
        const matrix_view<const float> columns{weight.data(), d, 3 * d};
        const std::size_t rows[] = {0, into.key_row(), into.value_row()};
        auto& target = into.query_key_value();
        for (std::size_t part = 0; part < 3; ++part) {
            target.weight().set_rows_transposed(rows[part], columns.cols(part * d, d));
            std::copy_n(bias.begin() + static_cast<std::ptrdiff_t>(part * d), d,
                        target.bias().begin() + static_cast<std::ptrdiff_t>(rows[part]));
        }
    }

    [[nodiscard]] std::string stored_name(const std::string& name) const {
        const std::string prefixed = "transformer." + name;
        return from_.find(prefixed) != nullptr ? prefixed : name;
    }

private:
    [[nodiscard]] std::size_t size(std::string_view key) const {
        const auto value = from_.integer(key);
        if (!value) fail(errc::malformed_file, from_.source(), ": '", key, "' is missing");
        if (*value <= 0)
            fail(errc::wrong_value, from_.source(), ": '", key, "': expected a positive number, found ", *value);
        return static_cast<std::size_t>(*value);
    }

    [[nodiscard]] std::string require_text(std::string_view key, std::initializer_list<std::string_view> known,
                                           std::string_view otherwise) const {
        const std::string value = from_.text(key).value_or(std::string(otherwise));
        for (const std::string_view name : known) {
            if (value == name) return value;
        }
        std::string names;
        for (const std::string_view name : known) names.append(names.empty() ? "" : ", ").append(name);
        fail(errc::unsupported, from_.source(), ": '", key, "': expected one of ", names, "; found '", value, "'");
    }

    void refuse(std::string_view key) const {
        if (from_.boolean(key).value_or(false)) {
            fail(errc::unsupported, from_.source(), ": '", key, "': this architecture runs without it, found true");
        }
    }

    const checkpoint& from_;
};

}  // namespace detail

/// GPT-2 (Radford et al., 2019): learned positions, layer norm before each half, biases everywhere, GELU.
/// @tparam Format weight format: f32, bf16, f16, int8, int4, or any_format to choose at run time
/// @tparam Shape  sizes fixed at compile time; those left 0 come from the checkpoint
template <class Format = f32, model_shape Shape = model_shape{}>
class gpt2 : public detail::gpt2_base<Format, Shape.d_model == 0 ? Shape : Shape.completed()> {
    static constexpr model_shape fixed = Shape.d_model == 0 ? Shape : Shape.completed();
    using base = detail::gpt2_base<Format, fixed>;
    using block = detail::gpt2_block<Format, fixed>;

public:
    /// Sizes known at compile time (0 where not), for plans that check their layers against them.
    static constexpr model_shape static_shape = fixed;

    /// Name that a checkpoint's `model_type` gives this architecture.
    static constexpr std::string_view architecture = "gpt2";

    /// Reads configuration and weights. Matrices are stored in the format; norms, biases and embeddings that are not
    /// the output matrix in f32.
    /// @throws error when the configuration asks for something else, or a tensor is missing, mis-shaped or
    ///         not finite
    [[nodiscard]] static gpt2 from_checkpoint(const checkpoint& from, Format format = {}) {
        return from_checkpoint(from, format, format);
    }
    /// The same with another format for the output matrix than for the layers.
    [[nodiscard]] static gpt2 from_checkpoint(const checkpoint& from, Format format, Format output_format) {
        const detail::gpt2_reader reader(from);
        const model_shape s = reader.shape();
        check_fixed(s, from.source());
        typename base::parts made;
        weight_arena arena;
        const std::string tokens = reader.stored_name("wte.weight");
        (void)find_tensor(from, tokens, {s.vocab, s.d_model});  // before anything of its size is allocated
        if (!reader.tied()) (void)find_tensor(from, "lm_head.weight", {s.vocab, s.d_model});
        made.positions = embedding(s.d_model, reader.tensor("wpe.weight", {s.context, s.d_model}));
        made.output = linear<Format>(s.vocab, s.d_model, "output", output_format, &arena);
        const auto to_output = [&](std::size_t first, matrix_view<const float> rows) {
            made.output.weight().set_rows(first, rows);
        };
        if (reader.tied()) {
            read_rows(from, tokens, s.vocab, s.d_model, to_output);
        } else {
            made.tokens = embedding(s.d_model, s.vocab);
            read_rows(from, tokens, s.vocab, s.d_model,
                      [&](std::size_t first, matrix_view<const float> rows) { made.tokens.set_rows(first, rows); });
            read_rows(from, "lm_head.weight", s.vocab, s.d_model, to_output);
        }
        made.final_norm = reader.template norm<fixed.d_model>("ln_f", s);
        made.blocks.reserve(s.layers);
        for (std::size_t layer = 1; layer <= s.layers; ++layer)
            made.blocks.push_back(read_block(reader, s, layer, format, arena));
        return gpt2(s, std::move(made));
    }

private:
    using base::base;

    static block read_block(const detail::gpt2_reader& reader, const model_shape& s, std::size_t layer, Format format,
                            weight_arena& arena) {
        const std::string name = "h." + std::to_string(layer - 1);
        reader.require(name + ".attn.c_attn.weight", {s.d_model, 3 * s.d_model});
        reader.require(name + ".mlp.c_fc.weight", {s.d_model, s.d_ff});
        block b{reader.template norm<fixed.d_model>(name + ".ln_1", s),
                {s, reader.scale(s, layer), format, &arena},
                reader.template norm<fixed.d_model>(name + ".ln_2", s),
                {s, reader.activation_function(), format, &arena}};
        reader.query_key_value(name + ".attn.c_attn", s, b.attention);
        reader.conv1d(name + ".attn.c_proj", b.attention.output());
        reader.conv1d(name + ".mlp.c_fc", b.feed_forward.up());
        reader.conv1d(name + ".mlp.c_proj", b.feed_forward.down());
        return b;
    }

    static void check_fixed(const model_shape& found, const std::string& source) {
        const auto check = [&](std::string_view name, std::size_t compiled, std::size_t value) {
            if (compiled != 0 && compiled != value) {
                fail(errc::wrong_shape, source, ": ", name, ": compiled for ", compiled, ", found ", value);
            }
        };
        check("number of layers", fixed.layers, found.layers);
        check("d_model", fixed.d_model, found.d_model);
        check("number of heads", fixed.heads, found.heads);
        check("head_dim", fixed.head_dim, found.head_dim);
        check("d_ff", fixed.d_ff, found.d_ff);
        check("vocabulary size", fixed.vocab, found.vocab);
        check("context length", fixed.context, found.context);
    }
};

}  // namespace earlyout::inline EARLYOUT_ABI

#endif
