// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_VERIFIED_LOGITS_HPP
#define EARLYOUT_GENERATE_DETAIL_VERIFIED_LOGITS_HPP

#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/logit_source.hpp>
#include <earlyout/generate/detail/scope_timer.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/generate/sampler.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// The logits after the last layer of consecutive tokens, which were computed together, read token by token.
template <network Network, class Policy>
class verified_logits final : public logit_source {
public:
    using generation_type = generation<Network, Policy>;

    /// @param summaries one for each token
    /// @param logits    [tokens, vocab]; not read where summaries are all that is needed
    verified_logits(generation_type& of, std::span<const kernels::logit_summary> summaries,
                    matrix_view<const float> logits) noexcept
        : of_(&of), summaries_(summaries), logits_(logits) {}

    /// Computes the logits of the tokens from `first` on, or summaries where no more is needed.
    /// @param summaries one for each token
    /// @param logits    room for [tokens, vocab]
    [[nodiscard]] static verified_logits compute(const Network& network, const Policy& policy, generation_type& of,
                                                 std::size_t first, std::span<kernels::logit_summary> summaries,
                                                 std::span<float> logits, run_context& context) {
        const scope_timer timed(of.counts.head_seconds);
        const std::size_t layers = network.shape().layers;
        const matrix_view<float> all{logits.data(), summaries.size(), network.shape().vocab};
        const matrix_view<const float> hidden{of.tokens.hidden_state(first).data(), summaries.size(),
                                              network.shape().d_model};
        if (needs_summaries_alone(policy, of.options)) {
            policy.head(layers, hidden, matrix_view<float>{nullptr, summaries.size(), 0},
                        lm_head([&](matrix_view<const float> rows,
                                    matrix_view<float>) { network.logit_summaries(rows, summaries, context); },
                                context));
        } else {
            policy.head(layers, hidden, all,
                        lm_head([&](matrix_view<const float> rows,
                                    matrix_view<float> out) { network.logits(rows, out, context); },
                                context));
        }
        of.counts.head_evaluations += summaries.size();
        return {of, summaries, all};
    }

    /// Returns true if no single logit of verified tokens is read: no gate is evaluated on them.
    [[nodiscard]] static bool needs_summaries_alone(const Policy& policy, const generate_options& options) noexcept {
        return uses_lm_head(policy.head) && sampler::takes_argmax(options) && !options.on_logits;
    }

    /// Selects a token by its number in the block.
    void select(std::size_t row) noexcept { row_ = row; }

    void logits(std::size_t, std::span<const float>, std::span<float> out) override {
        std::ranges::copy(logits_[row_], out.begin());
        if (of_->options.on_logits) of_->options.on_logits(of_->tokens.ids().first(of_->signals.position() + 1), out);
    }
    kernels::logit_summary summary(std::size_t, std::span<const float>) override { return summaries_[row_]; }
    // A shortlist follows a gate's evaluation at an earlier exit; blocks are verified without one.
    void set_shortlist(std::span<const token_id>) override {}
    void shortlist_logits(std::size_t, std::span<const float>, std::span<float>) override {}

private:
    generation_type* of_;
    std::span<const kernels::logit_summary> summaries_;
    matrix_view<const float> logits_;
    std::size_t row_ = 0;
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
