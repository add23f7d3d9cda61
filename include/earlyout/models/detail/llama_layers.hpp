// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_DETAIL_LLAMA_LAYERS_HPP
#define EARLYOUT_MODELS_DETAIL_LLAMA_LAYERS_HPP

#include <earlyout/models/detail/checkpoint_reader.hpp>
#include <earlyout/models/detail/rotary_settings.hpp>
#include <earlyout/models/transformer.hpp>
#include <earlyout/nn/attention.hpp>
#include <earlyout/nn/block.hpp>
#include <earlyout/nn/feed_forward.hpp>
#include <earlyout/nn/rotary.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// What the configurations and layers of Llama and its derivatives have in common: the names of sizes and tensors,
/// rotary positions, separate query, key and value matrices.
struct llama_layers {
    static constexpr decoder_names names{
        .prefix = "model.", .tokens = "embed_tokens", .positions = "", .norm = "norm", .tied = false};

    using reader = checkpoint_reader;

    static constexpr model_shape complete(const model_shape& s) noexcept { return s; }

    /// Hugging Face's defaults for sizes that a configuration lacks; none: derived from the others.
    struct absent_sizes {
        std::optional<std::size_t> kv_heads;
        std::optional<std::size_t> head_dim;
    };

    static model_shape shape(const reader& from, const absent_sizes& absent) {
        const auto size = [&](const char* key, std::optional<std::size_t> otherwise) {
            return otherwise ? from.optional_size(key, *otherwise) : from.optional_size(key);
        };
        model_shape s;
        s.layers = from.size("num_hidden_layers");
        s.d_model = from.size("hidden_size");
        s.heads = from.size("num_attention_heads");
        s.kv_heads = size("num_key_value_heads", absent.kv_heads).value_or(s.heads);
        const auto head_dim = size("head_dim", absent.head_dim);
        s.head_dim = head_dim ? *head_dim : from.head_dim(s, "hidden_size", "num_attention_heads");
        if (s.head_dim % 2 != 0 || s.head_dim > rotary::max_dim) {
            fail(errc::unsupported, from.source(), ": head_dim: expected an even number up to ", rotary::max_dim,
                 " for rotary positions, found ", s.head_dim);
        }
        s.d_ff = from.size("intermediate_size");
        s.vocab = from.size("vocab_size");
        s.context = from.size("max_position_embeddings");
        return s;
    }

    /// Returns a layer's `layer_types` entry, which must match its window; without that list the window decides.
    static std::string layer_type(const reader& from, const model_shape& s, std::size_t layer, std::size_t window) {
        const std::string key = "layer_types." + std::to_string(layer - 1);
        const std::string_view own = window == 0 ? "full_attention" : "sliding_attention";
        const std::string type = from.text(key, {"full_attention", "sliding_attention"}, own);
        if (type != own && (window == 0 || window < s.context)) {
            fail(errc::unsupported, from.source(), ": '", key, "': expected ", own,
                 ", as the layer has by the other keys, found '", type, "'");
        }
        return type;
    }
    /// Returns the rotary positions of a layer, as rotary_settings_reader finds them. llama.cpp stores Llama 3.1's
    /// frequency scaling as divisors in `rope_freqs.weight`.
    /// @param layer  numbered from 1
    /// @param window positions visible to it, 0: all
    static rotary read_rotary(const reader& from, const model_shape& s, std::size_t layer, std::size_t window,
                              const rotary_defaults& defaults = {}) {
        const std::string type = layer_type(from, s, layer, window);
        const rotary_settings settings = rotary_settings_reader(from, s, type, defaults).read();
        std::vector<double> frequencies = settings.frequencies(s.head_dim);
        if (from.has("rope_freqs.weight")) {
            const std::vector<float> divisors = from.positive_tensor("rope_freqs.weight", {frequencies.size()});
            for (std::size_t i = 0; i < divisors.size(); ++i) frequencies[i] /= static_cast<double>(divisors[i]);
        }
        return rotary(frequencies, s.context, settings.magnitude);
    }

    struct biases {
        bool query_key_value = false;
        bool output = false;
        bool any_of_them = false;  ///< missing ones are zeros, as at Hugging Face
    };
    /// Returns the biases that `attention_bias` implies: all four, though many such files have three.
    static biases biases_of_key(const reader& from) {
        const bool any = from.boolean("attention_bias", false);
        return {.query_key_value = any, .output = any, .any_of_them = any};
    }

    /// Refuses attention matrices that are missing or mis-shaped before anything of their size is allocated.
    /// @param output what the output matrix is called
    static void require_attention(const reader& from, const std::string& name, const model_shape& s,
                                  const char* output = ".o_proj") {
        (void)from.require(name + ".q_proj.weight", {s.d_query(), s.d_model});
        (void)from.require(name + ".k_proj.weight", {s.d_kv(), s.d_model});
        (void)from.require(name + output + ".weight", {s.d_model, s.d_query()});
    }
    template <class Attention>
    static void read_attention(const reader& from, const std::string& name, const model_shape& s, biases have,
                               Attention& into, const char* output = ".o_proj") {
        auto& projected = into.query_key_value();
        const auto part = [&](const char* matrix, std::size_t rows, std::size_t to) {
            return matrix_part{.tensor = name + matrix + ".weight", .stored_rows = rows, .count = rows, .to = to};
        };
        from.fill(projected, {part(".q_proj", s.d_query(), 0), part(".k_proj", s.d_kv(), into.key_row()),
                              part(".v_proj", s.d_kv(), into.value_row())});
        from.fill(into.output(), name + output);
        const auto stored = [&](const char* matrix) { return from.has(name + matrix + ".bias"); };
        const bool choose =
            have.any_of_them && (stored(".q_proj") || stored(".k_proj") || stored(".v_proj") || stored(output));
        const auto bias = [&](const char* matrix, std::size_t rows, bool has, auto& layer, std::size_t to) {
            if (has && (!choose || stored(matrix))) from.bias_rows(name + matrix, rows, layer, to);
        };
        bias(".q_proj", s.d_query(), have.query_key_value, projected, 0);
        bias(".k_proj", s.d_kv(), have.query_key_value, projected, into.key_row());
        bias(".v_proj", s.d_kv(), have.query_key_value, projected, into.value_row());
        bias(output, s.d_model, have.output, into.output(), 0);
    }

    static void require_gated(const reader& from, const std::string& name, const model_shape& s) {
        (void)from.require(name + ".gate_proj.weight", {s.d_ff, s.d_model});
        (void)from.require(name + ".down_proj.weight", {s.d_model, s.d_ff});
    }
    template <class FeedForward>
    static void read_gated(const reader& from, const std::string& name, const model_shape& s, bool bias,
                           FeedForward& into) {
        const auto part = [&](const char* matrix, std::size_t to) {
            return matrix_part{.tensor = name + matrix + ".weight", .stored_rows = s.d_ff, .count = s.d_ff, .to = to};
        };
        from.fill(into.gate_up(), {part(".gate_proj", 0), part(".up_proj", into.up_row())});
        if (bias) {
            from.bias_rows(name + ".gate_proj", s.d_ff, into.gate_up());
            from.bias_rows(name + ".up_proj", s.d_ff, into.gate_up(), into.up_row());
        }
        from.fill_linear(name + ".down_proj", bias, into.down());
    }

    [[nodiscard]] static float scale(const model_shape& s) { return 1.0f / std::sqrt(static_cast<float>(s.head_dim)); }
};

/// The default treatment of queries and keys, whatever the shape.
template <model_shape>
using rotary_only = rotary;

/// Llama's layers: RMS norm before each half, rotary positions, grouped queries, SwiGLU. A derived class hides the
/// functions at the end where it differs.
template <class Derived, template <model_shape> class Positions = rotary_only>
struct gated_llama_layers : llama_layers {
    template <model_shape Shape>
    using norm = rms_norm<Shape.d_model>;
    template <class Format, model_shape Shape>
    using block =
        pre_norm_block<norm<Shape>, self_attention<Format, Shape, Positions<Shape>>, gated_feed_forward<Format, Shape>>;

    static model_shape shape(const reader& from) {
        model_shape s = llama_layers::shape(from, Derived::absent);
        s.gated = true;
        return s;
    }

    template <model_shape Shape>
    static norm<Shape> read_norm(const reader& from, const std::string& name, const model_shape& s) {
        return from.read_rms_norm<Shape.d_model>(name, s.d_model,
                                                 from.epsilon("rms_norm_eps", Derived::absent_epsilon));
    }

    template <class Format, model_shape Shape>
    static auto read_block(const reader& from, const model_shape& s, std::size_t layer, Format format,
                           weight_arena& arena) {
        const std::string name = "layers." + std::to_string(layer - 1);
        Derived::require_matrices(from, name, s);
        const std::size_t window = Derived::window(from, layer);
        typename Derived::template block<Format, Shape> b{
            Derived::template read_norm<Shape>(from, name + ".input_layernorm", s),
            {s, Derived::scale(from, s), format, &arena,
             Derived::template read_positions<Shape>(from, name + ".self_attn", s,
                                                     Derived::read_turns(from, s, layer, window)),
             window, Derived::read_scores(from, name + ".self_attn", s)},
            Derived::template read_norm<Shape>(from, name + ".post_attention_layernorm", s),
            Derived::template make_feed_forward<Format, Shape>(from, s, layer, format, arena)};
        Derived::read_matrices(from, name, s, b);
        return b;
    }

    // Defaults that most architectures share.
    template <class Format, model_shape Shape>
    static gated_feed_forward<Format, Shape> make_feed_forward(const reader& from, const model_shape& s, std::size_t,
                                                               Format format, weight_arena& arena) {
        return {s, from.hidden_activation("silu"), format, &arena};
    }
    static constexpr absent_sizes absent{};
    static constexpr rotary_defaults rotary_absent{};
    static constexpr double absent_epsilon = 1e-6;
    static void require_matrices(const reader& from, const std::string& name, const model_shape& s) {
        require_attention(from, name + ".self_attn", s);
        require_gated(from, name + ".mlp", s);
    }
    template <class Block>
    static void read_matrices(const reader& from, const std::string& name, const model_shape& s, Block& into) {
        read_attention(from, name + ".self_attn", s, Derived::attention_biases(from), into.attention);
        read_gated(from, name + ".mlp", s, Derived::feed_forward_bias(from), into.feed_forward);
    }
    static float scale(const reader&, const model_shape& s) { return llama_layers::scale(s); }
    static plain_scores read_scores(const reader&, const std::string&, const model_shape&) { return {}; }
    static rotary read_turns(const reader& from, const model_shape& s, std::size_t layer, std::size_t window) {
        return read_rotary(from, s, layer, window, Derived::rotary_absent);
    }
    template <model_shape>
    static rotary read_positions(const reader&, const std::string&, const model_shape&, rotary turns) {
        return turns;
    }
    static biases attention_biases(const reader&) { return {}; }
    static bool feed_forward_bias(const reader&) { return false; }
    static std::size_t window(const reader&, std::size_t) { return 0; }
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
