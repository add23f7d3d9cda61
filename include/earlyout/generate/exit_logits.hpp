// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_EXIT_LOGITS_HPP
#define EARLYOUT_GENERATE_EXIT_LOGITS_HPP

#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/logit_source.hpp>
#include <earlyout/generate/detail/scope_timer.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/nn/run_context.hpp>

#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The logits of one generation's exits: the policy's head over the network, timed and counted.
template <network Network, class Policy>
class exit_logits final : public logit_source {
public:
    using generation_type = generation<Network, Policy>;

    /// Returns true if a head's logits are the model's own output for some hidden state, so that they can be summarised
    /// as they are computed.
    [[nodiscard]] static bool summarizes(const Policy& policy) noexcept {
        return uses_lm_head(policy.head) && shortlist_of(policy.head).tokens == 0;
    }

    exit_logits(const Network& network, const Policy& policy, generation_type& of, run_context& context) noexcept
        : network_(&network), policy_(&policy), of_(&of), context_(&context) {}

    void logits(std::size_t layer, std::span<const float> hidden, std::span<float> out) override {
        ++of_->counts.head_evaluations;
        run_head(layer, hidden, out, [&](matrix_view<const float> rows, matrix_view<float> logits) {
            network_->logits(rows, logits, *context_);
        });
        if (of_->options.on_logits) of_->options.on_logits(of_->tokens.ids(), out);
    }
    kernels::logit_summary summary(std::size_t layer, std::span<const float> hidden) override {
        kernels::logit_summary found;
        ++of_->counts.head_evaluations;
        run_head(layer, hidden, {}, [&](matrix_view<const float> rows, matrix_view<float>) {
            network_->logit_summaries(rows, {&found, 1}, *context_);
        });
        return found;
    }
    void set_shortlist(std::span<const token_id> ids) override {
        const detail::scope_timer timed(of_->counts.head_seconds);
        network_->gather_output_rows(ids, of_->shortlist_rows, *context_);
    }
    void shortlist_logits(std::size_t layer, std::span<const float> hidden, std::span<float> out) override {
        ++of_->counts.shortlist_evaluations;
        run_head(layer, hidden, out, [&](matrix_view<const float> rows, matrix_view<float> logits) {
            network_->gathered_logits(of_->shortlist_rows, rows, logits, *context_);
        });
    }

private:
    template <class Output>
    void run_head(std::size_t layer, std::span<const float> hidden, std::span<float> out, const Output& output) {
        const detail::scope_timer timed(of_->counts.head_seconds);
        policy_->head(layer, matrix_view<const float>{hidden.data(), 1, hidden.size()},
                      matrix_view<float>{out.data(), 1, out.size()}, lm_head(output, *context_));
    }

    const Network* network_;
    const Policy* policy_;
    generation_type* of_;
    run_context* context_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
