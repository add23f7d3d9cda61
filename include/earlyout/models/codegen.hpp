// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_CODEGEN_HPP
#define EARLYOUT_MODELS_CODEGEN_HPP

#include <earlyout/models/transformer.hpp>
#include <earlyout/nn/attention.hpp>
#include <earlyout/nn/block.hpp>
#include <earlyout/nn/rotary.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// CodeGen (Nijkamp et al., 2022), which has GPT-J's layers: both halves read one norm, and rotary positions apply to
/// the first `rotary_dim` elements of a head.
struct codegen_architecture {
    static constexpr std::string_view model_type = "codegen";
    static constexpr decoder_names names{
        .prefix = "transformer.", .tokens = "wte", .positions = "", .norm = "ln_f", .tied = false, .output_bias = true};

    template <model_shape Shape>
    using norm = layer_norm<Shape.d_model>;
    template <class Format, model_shape Shape>
    using block = parallel_block<norm<Shape>, self_attention<Format, Shape, rotary>, feed_forward<Format, Shape>>;

    using reader = detail::checkpoint_reader;

    static constexpr model_shape complete(const model_shape& s) noexcept { return s.d_model == 0 ? s : s.completed(); }

    static model_shape shape(const reader& from) {
        model_shape s;
        s.layers = from.size("n_layer");
        s.d_model = from.size("n_embd");
        s.heads = from.size("n_head");
        s.head_dim = from.head_dim(s, "n_embd", "n_head");
        s.d_ff = from.optional_size("n_inner").value_or(0);
        s.vocab = from.size("vocab_size");
        s.context = from.size("n_positions");
        if (s.heads % parts != 0) {
            fail(errc::unsupported, from.source(), ": 'n_head': expected a multiple of ", parts, ", found ", s.heads);
        }
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
        (void)from.require(name + ".attn.qkv_proj.weight", {3 * s.d_model, s.d_model});
        (void)from.require(name + ".mlp.fc_in.weight", {s.d_ff, s.d_model});
        const std::size_t dim = rotary_dim(from, s);
        block<Format, Shape> b{read_norm<Shape>(from, name + ".ln_1", s),
                               {s, 1.0f / std::sqrt(static_cast<float>(s.head_dim)), format, &arena,
                                rotary(rotary_frequencies(dim, 10000.0), s.context)},
                               {s, from.activation_function("activation_function", "gelu_new"), format, &arena}};
        read_query_key_value(from, name + ".attn.qkv_proj", s, dim, b.attention);
        from.fill_linear(name + ".attn.out_proj", false, b.attention.output());
        from.fill_linear(name + ".mlp.fc_in", true, b.feed_forward.up());
        from.fill_linear(name + ".mlp.fc_out", true, b.feed_forward.down());
        return b;
    }

private:
    /// The matrix is stored in four parts, one per device of the original training, each with its queries, values and
    /// keys.
    static constexpr std::size_t parts = 4;

    static std::size_t rotary_dim(const reader& from, const model_shape& s) {
        const std::size_t dim = from.optional_size("rotary_dim", 64).value_or(s.head_dim);
        if (dim > s.head_dim || dim % 2 != 0) {
            fail(errc::wrong_value, from.source(), ": 'rotary_dim': expected an even number up to ", s.head_dim,
                 ", found ", dim);
        }
        return dim;
    }

    /// Here each head's planes are elements 2 i and 2 i + 1; our kernel rotates i and i + dim / 2. Queries and keys
    /// reordered for the kernel give the same products.
    template <class Attention>
    static void read_query_key_value(const reader& from, const std::string& name, const model_shape& s, std::size_t dim,
                                     Attention& into) {
        const std::size_t d = s.d_model;
        const std::size_t width = d / parts;  // of the queries of one part
        std::vector<matrix_part> pieces;
        const auto add = [&](std::size_t kind, std::size_t to, bool turned) {
            for (std::size_t row = 0; row < d; ++row) {
                const std::size_t stored = row / width * 3 * width + kind * width + row % width;
                const std::size_t in_head = row % s.head_dim;
                const std::size_t place = !turned || in_head >= dim ? in_head : in_head / 2 + in_head % 2 * (dim / 2);
                pieces.push_back({name + ".weight", 3 * d, stored, 1, to + row - in_head + place});
            }
        };
        add(0, 0, true);
        add(1, into.value_row(), false);
        add(2, into.key_row(), true);
        from.fill(into.query_key_value(), std::move(pieces));
    }
};

/// CodeGen. See transformer for the parameters.
template <class Format = f32, model_shape Shape = model_shape{}>
using codegen = transformer<codegen_architecture, Format, Shape>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
