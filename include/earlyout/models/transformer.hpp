// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_TRANSFORMER_HPP
#define EARLYOUT_MODELS_TRANSFORMER_HPP

#include <earlyout/models/detail/checkpoint_reader.hpp>
#include <earlyout/models/detail/unsupported_settings.hpp>
#include <earlyout/nn/language_model.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Names, as a checkpoint spells them, of the parts that every decoder has.
struct decoder_names {
    std::string_view prefix;     ///< of all but the output matrix, if there is one: "model."
    std::string_view tokens;     ///< token embedding, without the prefix: "embed_tokens"
    std::string_view positions;  ///< learned positions; empty: none
    std::string_view norm;       ///< the final norm
    bool tied = false;           ///< default of `tie_word_embeddings`
    bool output_bias = false;
    std::string_view output = "lm_head";  ///< an output matrix of its own
};

/// An architecture is a list of types and the functions that fill them from a checkpoint: see architecture.md.
template <class A>
concept architecture = requires(const detail::checkpoint_reader& reader, const model_shape& shape) {
    { A::model_type } -> std::convertible_to<std::string_view>;
    { A::names } -> std::convertible_to<decoder_names>;
    { A::complete(shape) } -> std::same_as<model_shape>;
    { A::shape(reader) } -> std::same_as<model_shape>;
};

namespace detail {

/// The type of an architecture's `scaling`, plain ones if it has none.
template <class A>
struct scaling_of {
    using type = no_scaling;
};
template <class A>
    requires requires { typename A::scaling; }
struct scaling_of<A> {
    using type = typename A::scaling;
};

/// The keys that only some architectures implement and A does, its `applied`.
template <class A>
[[nodiscard]] constexpr std::span<const std::string_view> applied_settings() noexcept {
    if constexpr (requires { A::applied; }) {
        return A::applied;
    } else {
        return {};
    }
}

/// The `quant_method` of checkpoints that A reads beside plain ones, its `quantization`; empty: none.
template <class A>
[[nodiscard]] constexpr std::string_view quantization_of() noexcept {
    if constexpr (requires { A::quantization; }) {
        return A::quantization;
    } else {
        return {};
    }
}

}  // namespace detail

/// A language model of an architecture, read from a checkpoint.
/// @tparam Format weight format: f32, bf16, f16, int8, int4, or any_format to choose at run time
/// @tparam Shape  sizes fixed at compile time; those left 0 come from the checkpoint
template <architecture Architecture, class Format = f32, model_shape Shape = model_shape{}>
class transformer : public language_model<typename Architecture::template block<Format, Architecture::complete(Shape)>,
                                          typename Architecture::template norm<Architecture::complete(Shape)>, Format,
                                          typename detail::scaling_of<Architecture>::type> {
    static constexpr model_shape fixed = Architecture::complete(Shape);
    using block = typename Architecture::template block<Format, fixed>;
    using norm = typename Architecture::template norm<fixed>;
    using base = language_model<block, norm, Format, typename detail::scaling_of<Architecture>::type>;

public:
    /// Sizes known at compile time (0 if not), for plans that check their layers against them.
    static constexpr model_shape static_shape = fixed;

    /// The `model_type` of this architecture in a checkpoint.
    static constexpr std::string_view architecture = Architecture::model_type;

    /// Reads configuration and weights. Matrices are stored in the format; norms and biases in f32; embeddings that are
    /// not the output matrix keep the checkpoint's type.
    /// @throws error when the configuration is not supported, or a tensor is missing, mis-shaped or not finite
    [[nodiscard]] static transformer from_checkpoint(const checkpoint& from, Format format = {}) {
        return from_checkpoint(from, format, format);
    }
    /// The same with a different format for the output matrix.
    [[nodiscard]] static transformer from_checkpoint(const checkpoint& from, Format format, Format output_format) try {
        constexpr decoder_names names = Architecture::names;
        typename base::parts made;
        const detail::checkpoint_reader reader(from, names.prefix, &made.read_from);
        (void)reader.text("model_type", {Architecture::model_type}, Architecture::model_type);
        constexpr std::string_view quantized = detail::quantization_of<Architecture>();
        if (const auto method = reader.text("quantization_config.quant_method"); method && *method != quantized) {
            fail(errc::unsupported, from.source(), ": 'quantization_config': expected ", quantized,
                 quantized.empty() ? "" : " or ", "weights that are not quantised, found '", *method, "'");
        }
        const model_shape s = Architecture::shape(reader);
        check_shape(s, from.source());
        detail::unsupported_settings::refuse(reader, s, detail::applied_settings<Architecture>());
        check_fixed(s, from.source());

        // The size of each matrix is checked before anything of that size is allocated.
        const std::string tokens = std::string(names.tokens) + ".weight";
        const bool tied = reader.boolean("tie_word_embeddings", names.tied);
        // A tied matrix may be stored under either name.
        const std::string untied = std::string(names.output) + ".weight";
        const bool as_output = tied && !reader.has(tokens) && reader.find(untied) != nullptr;
        if (!as_output) (void)reader.require(tokens, {s.vocab, s.d_model});
        if (as_output || !tied) (void)reader.require_exactly(untied, {s.vocab, s.d_model});

        weight_arena arena = from.is_packed() ? weight_arena::without_memory() : weight_arena();
        if (!names.positions.empty()) {
            made.positions = read_table(reader, std::string(names.positions) + ".weight", s.context, s.d_model);
        }
        if (!tied) made.tokens = read_table(reader, tokens, s.vocab, s.d_model);
        made.output = linear<Format>(s.vocab, s.d_model, "output", output_format, &arena);
        const std::string output = tied && !as_output ? reader.stored_name(tokens) : untied;
        const matrix_part whole{.tensor = output, .stored_rows = s.vocab, .count = s.vocab};
        fill_matrix(from, std::span(&whole, 1), made.output);
        if (names.output_bias) {
            const std::string name = std::string(names.output) + ".bias";
            (void)reader.require_exactly(name, {s.vocab});
            const std::vector<float> bias = read_tensor(from, name, {s.vocab});
            std::copy(bias.begin(), bias.end(), made.output.bias().begin());
        }
        if constexpr (requires { Architecture::template read_final_norm<fixed>(reader, s); }) {
            made.final_norm = Architecture::template read_final_norm<fixed>(reader, s);
        } else {
            made.final_norm = Architecture::template read_norm<fixed>(reader, std::string(names.norm), s);
        }
        if constexpr (requires { Architecture::read_scaling(reader, s); })
            made.scaling = Architecture::read_scaling(reader, s);
        made.blocks.reserve(s.layers);
        for (std::size_t layer = 1; layer <= s.layers; ++layer) {
            made.blocks.push_back(Architecture::template read_block<Format, fixed>(reader, s, layer, format, arena));
        }
        return transformer(s, std::move(made));
    } catch (...) {
        detail::rethrow_as_error(from.source());
    }

private:
    using base::base;

    [[nodiscard]] static embedding read_table(const detail::checkpoint_reader& reader, const std::string& name,
                                              std::size_t rows, std::size_t d_model) {
        const tensor_view& tensor = reader.require(name, {rows, d_model});
        embedding made(d_model, rows, tensor.type);
        // Blocks are stored unchanged; reading them once checks that they are finite.
        const bool in_blocks = block_elements(tensor.type) != 1;
        if (in_blocks) made.set_bytes(tensor.bytes);
        reader.read_rows(tensor, [&](std::size_t first, matrix_view<const float> values) {
            if (!in_blocks) made.set_rows(first, values);
        });
        reader.consume(tensor);
        return made;
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
        check("number of key-value heads", fixed.kv_heads, found.kv_heads);
        check("head_dim", fixed.head_dim, found.head_dim);
        check("d_ff", fixed.d_ff, found.d_ff);
        check("vocabulary size", fixed.vocab, found.vocab);
        check("context length", fixed.context, found.context);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
