// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_NETWORK_HPP
#define EARLYOUT_NN_NETWORK_HPP

#include <earlyout/core/shape.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/kernels/logit_summary.hpp>
#include <earlyout/nn/run_context.hpp>

#include <concepts>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The layers, embedding and output of a decoder: the interface of all that generates or calibrates. The default
/// implementation is language_model; transformer reads one from a checkpoint.
///
/// A network is immutable: all calls are const and may be made from several threads, each with its own run_context.
template <class N>
concept network =
    requires(const N& n, typename N::output_matrix& gathered, token_id id, std::size_t size, float* row,
             matrix_view<const float> rows, matrix_view<float> logits, std::span<kernels::logit_summary> summaries,
             std::span<const layer_token> tokens, std::span<const token_id> ids, run_context& context) {
        { n.shape() } -> std::convertible_to<const model_shape&>;
        /// Sets row: [d_model] to the embedding of a token at a position.
        n.embed(id, size, row);
        /// Runs tokens through layers first .. last.
        n.run_layers(size, size, tokens, context);
        /// Appends keys and values at layers first .. last from the tokens' current rows.
        n.update_kv_only(size, size, tokens, context);
        /// Computes logits. rows: [n, d_model], logits: [n, vocab]
        n.logits(rows, logits, context);
        /// Summarises the logits of each row, [n], without storing them.
        n.logit_summaries(rows, summaries, context);
        /// Copies rows of the output matrix, and computes logits from the copies alone.
        { n.allocate_output_rows(size) } -> std::same_as<typename N::output_matrix>;
        n.gather_output_rows(ids, gathered, context);
        n.gathered_logits(gathered, rows, logits, context);
        /// Returns the bytes of scratch memory for `tokens` tokens and `pieces` pieces of a parallel_for.
        { n.scratch_bytes(size, size) } -> std::convertible_to<std::size_t>;
    };

}}  // namespace earlyout::EARLYOUT_ABI

#endif
