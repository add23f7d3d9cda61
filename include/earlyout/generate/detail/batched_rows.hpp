// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_BATCHED_ROWS_HPP
#define EARLYOUT_GENERATE_DETAIL_BATCHED_ROWS_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/matrix_view.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/kernels/logit_summary.hpp>
#include <earlyout/nn/network.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// Logits of hidden states of several sequences, computed together so that the output matrix is read once. Sequences
/// may have different heads.
template <network Network>
class batched_rows {
public:
    /// Where the result of add() is.
    struct place {
        std::size_t first = 0;
        bool is_summarized = false;
    };

    /// @param rows max rows at a time; memory for their logits is used as far as they are needed
    batched_rows(const Network& network, std::size_t rows)
        : network_(&network),
          summarized_(rows * network.shape().d_model),
          stored_(rows * network.shape().d_model),
          summaries_(rows),
          logits_(rows * network.shape().vocab) {}

    void clear() noexcept { summarized_count_ = stored_count_ = 0; }

    /// Adds rows, to which the head is applied at once and the output matrix in compute().
    /// @param hidden [n, d_model]
    /// @param summarized summaries are all that will be read, which the head's logits allow
    [[nodiscard]] place add(const auto& head, std::size_t layer, matrix_view<const float> hidden, bool summarized,
                            run_context& context) {
        const std::size_t rows = hidden.rows(), d = network_->shape().d_model;
        const place at{summarized ? summarized_count_ : stored_count_, summarized};
        const matrix_view<float> out = summarized ? matrix_view<float>{nullptr, rows, 0} : logits(at.first, rows);
        float* const kept = (summarized ? summarized_ : stored_).data() + at.first * d;
        (summarized ? summarized_count_ : stored_count_) += rows;
        const auto keep = [&](matrix_view<const float> x, matrix_view<float>) {
            for (std::size_t r = 0; r < rows; ++r) std::ranges::copy(x[r], kept + r * d);
        };
        const auto multiply = [&](matrix_view<const float> x, matrix_view<float> y) {
            network_->logits(x, y, context);
        };
        if (uses_lm_head(head)) {
            head(layer, hidden, out, lm_head(keep, context));
        } else {
            // What such a head does with the model's logits is not known: it gets them now.
            head(layer, hidden, out, lm_head(multiply, context));
            done_.push_back(at.first);
            done_.push_back(rows);
        }
        return at;
    }
    /// Applies the output matrix to all rows added since clear().
    void compute(run_context& context) {
        const std::size_t d = network_->shape().d_model;
        if (summarized_count_ != 0) {
            network_->logit_summaries({summarized_.data(), summarized_count_, d},
                                      std::span(summaries_).first(summarized_count_), context);
        }
        // Runs of rows between those that are there already.
        std::size_t first = 0;
        const auto run_to = [&](std::size_t last) {
            if (first < last) {
                network_->logits({stored_.data() + first * d, last - first, d}, logits(first, last - first), context);
            }
        };
        for (std::size_t i = 0; i < done_.size(); i += 2) {
            run_to(done_[i]);
            first = done_[i] + done_[i + 1];
        }
        run_to(stored_count_);
        done_.clear();
    }

    [[nodiscard]] std::span<const kernels::logit_summary> summaries(const place& at, std::size_t rows) const noexcept {
        return std::span(summaries_).subspan(at.is_summarized ? at.first : 0, rows);
    }
    [[nodiscard]] matrix_view<float> logits(std::size_t first, std::size_t rows) noexcept {
        const std::size_t vocab = network_->shape().vocab;
        return {logits_.data() + first * vocab, rows, vocab};
    }

private:
    const Network* network_;
    aligned_buffer<float> summarized_;  // [rows, d_model], of which summaries are computed
    aligned_buffer<float> stored_;      // [rows, d_model], of which logits are stored
    std::vector<kernels::logit_summary> summaries_;
    aligned_buffer<float> logits_;  // [rows, vocab]; pages that are never used take no memory
    std::size_t summarized_count_ = 0;
    std::size_t stored_count_ = 0;
    std::vector<std::size_t> done_;  // first row and count of runs of logits_ that are there already
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
