// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_GPT2_HPP
#define EARLYOUT_MODELS_GPT2_HPP

#include <earlyout/models/transformer.hpp>
#include <earlyout/nn/attention.hpp>
#include <earlyout/nn/block.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// GPT-2 (Radford et al., 2019): learned positions, layer norm before each half, biases everywhere, GELU.
struct gpt2_architecture {
    static constexpr std::string_view model_type = "gpt2";
    static constexpr decoder_names names{
        .prefix = "transformer.", .tokens = "wte", .positions = "wpe", .norm = "ln_f", .tied = true};

    template <model_shape Shape>
    using norm = layer_norm<Shape.d_model>;
    template <class Format, model_shape Shape>
    using block = pre_norm_block<norm<Shape>, self_attention<Format, Shape>, feed_forward<Format, Shape>>;

    using reader = detail::checkpoint_reader;

    /// Returns the sizes that follow from those fixed at compile time.
    static constexpr model_shape complete(const model_shape& s) noexcept { return s.d_model == 0 ? s : s.completed(); }

    /// Returns the shape that the configuration gives, before anything is allocated for it.
    static model_shape shape(const reader& from) {
        from.refuse("add_cross_attention");
        model_shape s;
        s.layers = from.size("n_layer");
        s.d_model = from.size("n_embd");
        s.heads = from.size("n_head");
        s.head_dim = from.head_dim(s, "n_embd", "n_head");
        s.d_ff = from.optional_size("n_inner").value_or(0);
        s.vocab = from.size("vocab_size");
        const auto positions = from.optional_size("n_positions");
        s.context = positions ? *positions : from.size("n_ctx");
        return s.completed();
    }

    template <model_shape Shape>
    static norm<Shape> read_norm(const reader& from, const std::string& name, const model_shape& s) {
        return from.read_layer_norm<Shape.d_model>(name, s.d_model, from.epsilon("layer_norm_epsilon", 1e-5));
    }

    template <class Format, model_shape Shape>
    static block<Format, Shape> read_block(const reader& from, const model_shape& s, std::size_t layer, Format format,
                                           weight_arena& arena) {
        const std::string name = "h." + std::to_string(layer - 1);
        require(from, name + ".attn.c_attn.weight", s.d_model, 3 * s.d_model);
        require(from, name + ".mlp.c_fc.weight", s.d_model, s.d_ff);
        block<Format, Shape> b{read_norm<Shape>(from, name + ".ln_1", s),
                               {s, scale(from, s, layer), format, &arena},
                               read_norm<Shape>(from, name + ".ln_2", s),
                               {s, from.activation_function("activation_function", "gelu_new"), format, &arena}};
        read_query_key_value(from, name + ".attn.c_attn", s, b.attention);
        read_matrix(from, name + ".attn.c_proj", b.attention.output());
        read_matrix(from, name + ".mlp.c_fc", b.feed_forward.up());
        read_matrix(from, name + ".mlp.c_proj", b.feed_forward.down());
        return b;
    }

private:
    /// Returns the factor on the attention scores of a layer, numbered from 1.
    static float scale(const reader& from, const model_shape& s, std::size_t layer) {
        float value = 1.0f;
        if (from.boolean("scale_attn_weights", true)) value /= std::sqrt(static_cast<float>(s.head_dim));
        if (from.boolean("scale_attn_by_inverse_layer_idx", false)) value /= static_cast<float>(layer);
        return value;
    }

    /// Returns true if matrices are transposed, "Conv1D": [in, out], as Hugging Face stores GPT-2. GGUF does not.
    static bool transposed(const reader& from) {
        return from.text("conv1d_layout", {"in_out", "out_in"}, "in_out") == "in_out";
    }
    static void require(const reader& from, const std::string& name, std::size_t in, std::size_t out) {
        (void)(transposed(from) ? from.require(name, {in, out}) : from.require(name, {out, in}));
    }
    [[nodiscard]] static matrix_layout layout(const reader& from) {
        return transposed(from) ? matrix_layout::in_out : matrix_layout::out_in;
    }
    template <class Linear>
    static void read_matrix(const reader& from, const std::string& name, Linear& into) {
        from.bias_rows(name, into.out(), into);
        from.fill(into, name, layout(from));
    }
    template <class Attention>
    static void read_query_key_value(const reader& from, const std::string& name, const model_shape& s,
                                     Attention& into) {
        const std::size_t d = s.d_model;
        auto& target = into.query_key_value();
        const std::vector<float> bias = from.tensor(name + ".bias", {3 * d});
        std::vector<matrix_part> parts;
        for (const std::size_t to : {std::size_t{0}, into.key_row(), into.value_row()}) {
            const std::size_t first = parts.size() * d;
            parts.push_back({name + ".weight", 3 * d, first, d, to});
            std::copy_n(bias.begin() + static_cast<std::ptrdiff_t>(first), d,
                        target.bias().begin() + static_cast<std::ptrdiff_t>(to));
        }
        from.fill(target, std::move(parts), layout(from));
    }
};

/// GPT-2. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using gpt2 = transformer<gpt2_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
