// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_DECODER_HPP
#define EARLYOUT_NN_DECODER_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/nn/embedding.hpp>
#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/linear.hpp>
#include <earlyout/nn/workspace.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// What a decoder is made of; an architecture fills one in.
template <class Block, class Norm, class Format>
struct decoder_parts {
    embedding tokens;     ///< [vocab, d_model]; empty when tied to the output matrix
    embedding positions;  ///< [context, d_model]; empty when attention knows positions itself
    std::vector<Block> blocks;
    Norm final_norm;
    linear<Format> output;  ///< [vocab, d_model]
};

/// A stack of layers over a residual stream, immutable once made and shared by any number of sessions.
/// Layers are numbered from 1; "after layer l" means that l layers have run.
template <class Block, class Norm, class Format>
class decoder {
public:
    using format = Format;
    using output_matrix = linear<Format>;
    using parts = decoder_parts<Block, Norm, Format>;

    decoder(const model_shape& shape, parts made_of) : shape_(shape), parts_(std::move(made_of)) {}
    decoder(decoder&&) = default;
    decoder& operator=(decoder&&) = default;
    decoder(const decoder&) = delete;
    decoder& operator=(const decoder&) = delete;

    [[nodiscard]] const model_shape& shape() const noexcept { return shape_; }
    /// "f32", "int8"; "int4, output int8" where the output matrix has another than the layers.
    [[nodiscard]] std::string weight_format() const {
        const std::string_view output = parts_.output.weight().format_name();
        const std::string_view layers = parts_.blocks.empty() ? output : parts_.blocks.front().format_name();
        return layers == output ? std::string(output) : std::string(layers) + ", output " + std::string(output);
    }

    /// row = the token's embedding, with its position's where the architecture learns those. row: [d_model]
    /// @param token, position within the vocabulary and the context
    void embed(token_id token, std::size_t position, float* row) const noexcept {
        const auto index = static_cast<std::size_t>(token);
        if (parts_.tokens.empty()) {
            parts_.output.weight().copy_row(index, row);
        } else {
            parts_.tokens.copy_row(index, row);
        }
        if (!parts_.positions.empty()) parts_.positions.add_row(position, row);
    }

    /// Takes the tokens through layers first .. last. Prefill, decoding, repaying deferred layers and
    /// verifying drafts are this call over different tokens. Those of one sequence come in order of
    /// position, and each must be the next one its cache's layer expects.
    void run_layers(std::size_t first, std::size_t last, std::span<const layer_token> tokens, workspace& scratch,
                    executor& on) const {
        for (std::size_t layer = first; layer <= last; ++layer) {
            for_each_block(tokens, scratch, [&](std::span<const layer_token> block) {
                parts_.blocks[layer - 1](layer, block, scratch, on);
            });
        }
    }

    /// Appends keys and values at layers first .. last computed from the tokens' present rows, which stay
    /// as they are: what `propagate` leaves in skipped layers.
    void fill_layers(std::size_t first, std::size_t last, std::span<const layer_token> tokens, workspace& scratch,
                     executor& on) const {
        for (std::size_t layer = first; layer <= last; ++layer) {
            for_each_block(tokens, scratch, [&](std::span<const layer_token> block) {
                parts_.blocks[layer - 1].fill(layer, block, scratch, on);
            });
        }
    }

    /// logits = output matrix times final norm of one row of the residual stream, after any layer.
    /// @param row    [d_model]
    /// @param logits [vocab]
    void logits(const float* row, std::span<float> logits, workspace& scratch, executor& on) const {
        const matrix_view<float> normed = scratch.normed(1);
        parts_.final_norm(row, normed.row(0));
        parts_.output(normed, {logits.data(), 1, logits.size()}, scratch.rounded(), on);
    }

    /// What matters of those logits when none of them is stored.
    [[nodiscard]] kernels::logit_summary logit_summary(const float* row, workspace& scratch, executor& on) const {
        const matrix_view<float> normed = scratch.normed(1);
        parts_.final_norm(row, normed.row(0));
        return parts_.output.summarize(normed, scratch.summaries(), scratch.rounded(), on);
    }

    /// logits() of several rows, each with the bits it would have alone. rows: [n, d_model], logits: [n, vocab]
    void logits(matrix_view<const float> rows, matrix_view<float> logits, workspace& scratch, executor& on) const {
        for (std::size_t at = 0; at < rows.rows();) {
            const std::size_t count = std::min(scratch.block(), rows.rows() - at);
            const matrix_view<float> normed = scratch.normed(count);
            for (std::size_t i = 0; i < count; ++i) parts_.final_norm(rows.row(at + i), normed.row(i));
            parts_.output(normed, logits.rows(at, count), scratch.rounded(), on);
            at += count;
        }
    }

    /// Room for the output rows of so many tokens.
    [[nodiscard]] output_matrix room_for_outputs(std::size_t count) const { return parts_.output.room_for(count); }
    /// Copies the output rows of these tokens. ids: as many as there is room for
    void gather_outputs(std::span<const token_id> ids, output_matrix& into, executor& on) const {
        parts_.output.gather(ids, into, on);
    }
    /// The logits of those tokens alone, with the bits they have among all. logits: [ids]
    void gathered_logits(const output_matrix& gathered, const float* row, std::span<float> logits, workspace& scratch,
                         executor& on) const {
        const matrix_view<float> normed = scratch.normed(1);
        parts_.final_norm(row, normed.row(0));
        gathered(normed, {logits.data(), 1, logits.size()}, scratch.rounded(), on);
    }
    /// What every exit's logits are made with, for those who fit to them.
    [[nodiscard]] const Norm& final_norm() const noexcept { return parts_.final_norm; }
    [[nodiscard]] const linear<Format>& output() const noexcept { return parts_.output; }

    /// Weight bytes that one pass of a block through a layer reads.
    [[nodiscard]] std::size_t layer_bytes(std::size_t layer) const noexcept { return parts_.blocks[layer - 1].bytes(); }
    /// Weight bytes that filling a skipped layer reads.
    [[nodiscard]] std::size_t fill_bytes(std::size_t layer) const noexcept {
        return parts_.blocks[layer - 1].fill_bytes();
    }
    /// Weight bytes that the logits of one row read.
    [[nodiscard]] std::size_t output_bytes() const noexcept {
        return parts_.final_norm.bytes() + parts_.output.bytes();
    }
    /// Bytes that gathering the output rows of so many tokens reads.
    [[nodiscard]] std::size_t gather_bytes(std::size_t count) const noexcept {
        return parts_.output.weight().gather_bytes(count);
    }
    /// Weight bytes that logits from gathered rows read.
    [[nodiscard]] std::size_t gathered_bytes(const output_matrix& gathered) const noexcept {
        return parts_.final_norm.bytes() + gathered.bytes();
    }
    /// Bytes of the embedding tables that are not the output matrix.
    [[nodiscard]] std::size_t embedding_bytes() const noexcept {
        return parts_.tokens.bytes() + parts_.positions.bytes();
    }
    /// True when the token embedding is the output matrix.
    [[nodiscard]] bool tied() const noexcept { return parts_.tokens.empty(); }

    /// Gives up what it is made of.
    [[nodiscard]] parts release() && noexcept { return std::move(parts_); }

private:
    template <class Body>
    static void for_each_block(std::span<const layer_token> tokens, const workspace& scratch, Body body) {
        for (std::size_t at = 0; at < tokens.size();) {
            const std::size_t count = std::min(scratch.block(), tokens.size() - at);
            body(tokens.subspan(at, count));
            at += count;
        }
    }

    model_shape shape_;
    parts parts_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
