// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_WORKSPACE_HPP
#define EARLYOUT_NN_WORKSPACE_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/core/matrix_view.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/kernels/attention.hpp>
#include <earlyout/kernels/logit_summary.hpp>
#include <earlyout/kernels/quantize.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Where the second half of a gated feed-forward's first product begins: at a panel of its own.
[[nodiscard]] constexpr std::size_t gated_up_column(std::size_t d_ff) noexcept {
    return round_up(d_ff, kernels::panel_rows);
}

/// Scratch for one block of tokens, made once per session. Contents mean nothing between calls.
class workspace {
public:
    /// @param block   most tokens that pass a layer together; longer runs are cut into blocks
    /// @param threads concurrency of the executor it will be used with
    workspace(const model_shape& shape, std::size_t block, std::size_t threads)
        : block_(block),
          d_model_(shape.d_model),
          d_query_(shape.d_query()),
          d_inner_(shape.gated ? gated_up_column(shape.d_ff) + shape.d_ff : shape.d_ff),
          d_projected_(round_up(shape.d_query(), kernels::panel_rows) + 2 * shape.d_kv()),
          attention_scratch_(kernels::attention_scratch<>(shape.head_dim)),
          normed_(block * shape.d_model),
          projected_(block * d_projected_),
          attended_(block * shape.d_query()),
          inner_(block * d_inner_),
          update_(block * shape.d_model),
          head_rows_(2 * shape.d_model),
          attention_(threads * pieces_per_thread * attention_scratch_),
          summaries_((shape.vocab + kernels::summary_block - 1) / kernels::summary_block),
          rounded_(block, std::max({shape.d_model, shape.d_query(), shape.d_ff})) {}

    [[nodiscard]] std::size_t block() const noexcept { return block_; }
    /// Normalised inputs, [tokens, d_model].
    [[nodiscard]] matrix_view<float> normed(std::size_t tokens) noexcept { return view(normed_, tokens, d_model_); }
    /// Queries, keys and values side by side, [tokens, q | k | v].
    [[nodiscard]] matrix_view<float> projected(std::size_t tokens) noexcept {
        return view(projected_, tokens, d_projected_);
    }
    /// What attention gathered, [tokens, heads * head_dim].
    [[nodiscard]] matrix_view<float> attended(std::size_t tokens) noexcept { return view(attended_, tokens, d_query_); }
    /// What lies between the feed-forward's matrices, [tokens, d_ff]; [tokens, gate | up] where it is gated.
    [[nodiscard]] matrix_view<float> inner(std::size_t tokens) noexcept { return view(inner_, tokens, d_inner_); }
    /// What a sub-layer adds to the residual stream, [tokens, d_model].
    [[nodiscard]] matrix_view<float> update(std::size_t tokens) noexcept { return view(update_, tokens, d_model_); }
    /// One of two rows for what stands between a layer and its logits, [d_model].
    [[nodiscard]] std::span<float> head_row(std::size_t which) noexcept {
        return {head_rows_.data() + which * d_model_, d_model_};
    }
    /// Attention's room in one piece of a parallel_for; tens of kilobytes, however long the context.
    [[nodiscard]] float* attention(std::size_t piece) noexcept {
        return attention_.data() + piece * attention_scratch_;
    }
    /// One for each block of logits.
    [[nodiscard]] std::span<kernels::logit_summary> summaries() noexcept { return summaries_; }
    /// Activations of one product as its format reads them.
    [[nodiscard]] kernels::quantized_rows& rounded() noexcept { return rounded_; }

private:
    static matrix_view<float> view(aligned_buffer<float>& of, std::size_t rows, std::size_t cols) noexcept {
        return {of.data(), rows, cols};
    }

    std::size_t block_;
    std::size_t d_model_;
    std::size_t d_query_;
    std::size_t d_inner_;
    std::size_t d_projected_;
    std::size_t attention_scratch_;
    aligned_buffer<float> normed_;
    aligned_buffer<float> projected_;
    aligned_buffer<float> attended_;
    aligned_buffer<float> inner_;
    aligned_buffer<float> update_;
    aligned_buffer<float> head_rows_;
    aligned_buffer<float> attention_;
    std::vector<kernels::logit_summary> summaries_;
    kernels::quantized_rows rounded_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
