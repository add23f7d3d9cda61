// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_LANGUAGE_MODEL_HPP
#define EARLYOUT_NN_LANGUAGE_MODEL_HPP

#include <earlyout/core/shape.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/nn/embedding.hpp>
#include <earlyout/nn/layer_stack.hpp>
#include <earlyout/nn/linear.hpp>
#include <earlyout/nn/run_context.hpp>
#include <earlyout/nn/scaling.hpp>
#include <earlyout/weights/checkpoint_record.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The parts of a language model; an architecture fills them in.
template <class Block, class Norm, class Format, class Scaling = no_scaling>
struct language_model_parts {
    embedding tokens;     ///< [vocab, d_model]; empty when tied to the output matrix
    embedding positions;  ///< [context, d_model]; empty when attention applies positions itself
    std::vector<Block> blocks;
    Norm final_norm;
    linear<Format> output;             ///< [vocab, d_model]
    checkpoint_record read_from = {};  ///< what was read of its checkpoint
    [[no_unique_address]] Scaling scaling = {};
};

/// Token embedding, layers, final norm and output matrix: immutable once made and shared by any number of sequences.
/// @tparam Scaling what else becomes of embeddings and logits: no_scaling, model_scaling
template <class Block, class Norm, class Format, class Scaling = no_scaling>
class language_model {
public:
    using format = Format;
    using output_matrix = linear<Format>;
    using parts = language_model_parts<Block, Norm, Format, Scaling>;

    language_model(const model_shape& shape, parts made_of)
        : shape_(shape),
          tokens_(std::move(made_of.tokens)),
          positions_(std::move(made_of.positions)),
          layers_(std::move(made_of.blocks)),
          final_norm_(std::move(made_of.final_norm)),
          output_(std::move(made_of.output)),
          read_from_(std::move(made_of.read_from)),
          scaling_(made_of.scaling) {}
    language_model(language_model&&) = default;
    language_model& operator=(language_model&&) = default;
    language_model(const language_model&) = delete;
    language_model& operator=(const language_model&) = delete;

    [[nodiscard]] const model_shape& shape() const noexcept { return shape_; }
    /// Returns "f32", "int8"; "int4, output int8" where the output matrix has another format than the layers.
    [[nodiscard]] std::string weight_format() const {
        const std::string_view output = output_.weight().format_name();
        const std::string_view layers = layers_.layers() == 0 ? output : layers_[1].format_name();
        return layers == output ? std::string(output) : std::string(layers) + ", output " + std::string(output);
    }

    /// Sets a row of the residual stream to the token's embedding, plus its position's if the architecture has learned
    /// positions. row: [d_model]
    /// @param token, position within the vocabulary and the context
    void embed(token_id token, std::size_t position, float* row) const noexcept {
        const auto index = static_cast<std::size_t>(token);
        if (tokens_.empty()) {
            output_.weight().copy_row(index, row);
        } else {
            tokens_.copy_row(index, row);
        }
        scaling_.embedding(row, shape_.d_model);
        if (!positions_.empty()) positions_.add_row(position, row);
    }

    /// Runs the tokens through layers first .. last; see layer_stack.
    void run_layers(std::size_t first, std::size_t last, std::span<const layer_token> tokens,
                    run_context& context) const {
        layers_.run_layers(first, last, tokens, context);
    }
    /// Appends keys and values at layers first .. last computed from the tokens' current rows; see layer_stack.
    void update_kv_only(std::size_t first, std::size_t last, std::span<const layer_token> tokens,
                        run_context& context) const {
        layers_.update_kv_only(first, last, tokens, context);
    }

    /// Computes logits = output matrix times final norm of rows of the residual stream, after any layer. The bits of
    /// each row do not depend on the others. rows: [n, d_model], logits: [n, vocab]
    void logits(matrix_view<const float> rows, matrix_view<float> logits, run_context& context) const {
        project(output_, rows, logits, context);
    }
    /// Summarises the logits of each row without storing them; reads the output matrix once for up to 32 rows.
    /// rows: [n, d_model], out: [n]
    void logit_summaries(matrix_view<const float> rows, std::span<kernels::logit_summary> out,
                         run_context& context) const {
        for (std::size_t at = 0; at < rows.rows();) {
            const std::size_t count = std::min({context.chunk(), output_matrix::summary_rows, rows.rows() - at});
            scratch_frame frame(context.scratch());
            const matrix_view<float> normed = frame.matrix(count, shape_.d_model);
            normalize(rows.rows(at, count), normed, context);
            output_.summarize(normed, out.subspan(at, count), context,
                              [this](float* y, std::size_t n) { scaling_.logits(y, n); });
            at += count;
        }
    }

    /// Allocates room for `count` rows of the output matrix.
    [[nodiscard]] output_matrix allocate_output_rows(std::size_t count) const { return output_.room_for(count); }
    /// Copies the output rows of these tokens. ids: as many as were allocated
    void gather_output_rows(std::span<const token_id> ids, output_matrix& into, run_context& context) const {
        output_.gather(ids, into, context);
    }
    /// Computes only the logits of the gathered tokens, bit-identical to those of the full product.
    /// rows: [n, d_model], logits: [n, ids]
    void gathered_logits(const output_matrix& gathered, matrix_view<const float> rows, matrix_view<float> logits,
                         run_context& context) const {
        project(gathered, rows, logits, context);
    }

    /// Returns the bytes of scratch memory that a chunk of `tokens` tokens takes, in a layer or at the output.
    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens, std::size_t pieces) const noexcept {
        return std::max(layers_.scratch_bytes(tokens, pieces),
                        earlyout::scratch_bytes<float>(tokens * shape_.d_model) + output_.scratch_bytes(tokens));
    }

    /// Returns what limits the logits, as model_scaling has it; 0: nothing.
    [[nodiscard]] float logit_cap() const noexcept {
        if constexpr (requires { scaling_.cap; }) {
            return scaling_.cap;
        } else {
            return 0.0f;
        }
    }
    [[nodiscard]] const Norm& final_norm() const noexcept { return final_norm_; }
    [[nodiscard]] const linear<Format>& output() const noexcept { return output_; }

    /// Returns the weight bytes that one chunk reads in a layer: of a mixture of experts, those of one token.
    [[nodiscard]] std::size_t layer_bytes(std::size_t layer) const noexcept { return layers_[layer].bytes(); }
    /// Returns the bytes of a layer's weights, of which a token reads only a part in a mixture of experts.
    [[nodiscard]] std::size_t stored_bytes(std::size_t layer) const noexcept {
        if constexpr (requires { layers_[layer].stored_bytes(); }) {
            return layers_[layer].stored_bytes();
        } else {
            return layer_bytes(layer);
        }
    }
    /// Returns the weight bytes that update_kv_only() reads in a layer.
    [[nodiscard]] std::size_t update_kv_bytes(std::size_t layer) const noexcept {
        return layers_[layer].update_kv_bytes();
    }
    /// Returns the weight bytes that logits read.
    [[nodiscard]] std::size_t output_bytes() const noexcept { return final_norm_.bytes() + output_.bytes(); }
    /// Returns the bytes of the embedding tables that are not the output matrix.
    [[nodiscard]] std::size_t embedding_bytes() const noexcept { return tokens_.bytes() + positions_.bytes(); }
    /// Returns true when the token embedding is the output matrix.
    [[nodiscard]] bool tied() const noexcept { return tokens_.empty(); }

    /// Visits the weight matrices: those of the layers, first to last, then the output matrix.
    void visit_matrices(matrix_visitor visit) const {
        for (std::size_t layer = 1; layer <= layers_.layers(); ++layer) layers_[layer].visit_matrices(visit);
        output_.visit_matrices(visit);
    }
    /// Returns what was read of the checkpoint; empty for a network that was made without one.
    [[nodiscard]] const checkpoint_record& read_from() const noexcept { return read_from_; }

    /// Releases its parts.
    [[nodiscard]] parts release() && noexcept {
        return {std::move(tokens_),
                std::move(positions_),
                std::move(layers_).release(),
                std::move(final_norm_),
                std::move(output_),
                std::move(read_from_),
                scaling_};
    }

private:
    void normalize(matrix_view<const float> rows, matrix_view<float> normed, run_context& context) const {
        context.count_bytes(final_norm_.bytes());
        for (std::size_t i = 0; i < rows.rows(); ++i) final_norm_(rows.row(i), normed.row(i));
    }
    void project(const output_matrix& matrix, matrix_view<const float> rows, matrix_view<float> logits,
                 run_context& context) const {
        for (std::size_t at = 0; at < rows.rows();) {
            const std::size_t count = std::min(context.chunk(), rows.rows() - at);
            scratch_frame frame(context.scratch());
            const matrix_view<float> normed = frame.matrix(count, shape_.d_model);
            normalize(rows.rows(at, count), normed, context);
            matrix(normed, logits.rows(at, count), context);
            for (std::size_t i = at; i < at + count; ++i) scaling_.logits(logits.row(i), logits.cols());
            at += count;
        }
    }

    model_shape shape_;
    embedding tokens_;
    embedding positions_;
    layer_stack<Block> layers_;
    Norm final_norm_;
    output_matrix output_;
    checkpoint_record read_from_;
    [[no_unique_address]] Scaling scaling_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
