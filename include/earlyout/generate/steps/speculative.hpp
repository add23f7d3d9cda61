// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_STEPS_SPECULATIVE_HPP
#define EARLYOUT_GENERATE_STEPS_SPECULATIVE_HPP

#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/generate/detail/speculation.hpp>
#include <earlyout/generate/drafted_generation.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/pending.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The step that drafts tokens, verifies them in one block at full depth and accepts those that the model would have
/// produced: the same tokens and log-probabilities, bit for bit, as one by one.
///
/// A token is drawn with the random number of its position, so a sampled completion is also the same. Leviathan et al.
/// (2023) accept with probability min(1, p/q) instead, which gives the same distribution but other tokens.
template <network Network, class Policy, drafter Drafter>
class speculative {
public:
    using generation_type = drafted_generation<Network, Policy, Drafter>;

    /// Makes a step; all arguments must outlive it. Of the policy's exits only the drafter makes use.
    speculative(const Network& network, const Policy& policy, const Drafter& drafter) noexcept
        : network_(&network), policy_(&policy), drafter_(&drafter) {}

    /// Predicts at least one token that follows each sequence's last one. All sequences run through the layers
    /// together.
    /// @param sequences reordered
    void predict(run_context& context, std::span<generation_type*> sequences) const {
        const clock::time_point begun = clock::now();
        for (generation_type* const g : sequences) {
            const std::size_t last = g->tokens.size() - 1;
            g->gates.token = {};
            g->accepted.clear();
            g->tokens.need_from(last);
            detail::draft_tokens(*network_, *policy_, *drafter_, *g, context);
        }

        // Verify: every layer runs the drafted tokens in one block with the last one, reading its weights once.
        std::span<generation_type*> running = sequences;
        for (std::size_t depth = 1; depth <= network_->shape().layers && !running.empty(); ++depth) {
            // A cancelled completion ends between two layers.
            const auto cancelled = std::ranges::partition(
                running, [](generation_type* const g) { return !g->options.cancel.stop_requested(); });
            for (generation_type* const g : cancelled) {
                g->accepted.push_back({.result = prediction::outcome::cancelled, .exit_layer = depth - 1});
                g->tokens.rollback(detail::first_verified(*g) + 1);
            }
            running = running.first(running.size() - cancelled.size());
            run_pending(*network_, depth, std::span<generation_type* const>(running), context);
        }

        std::size_t tokens = 0;
        for (generation_type* const g : running) {
            const std::size_t first = detail::first_verified(*g), count = g->tokens.size() - first;
            auto logits = detail::verified_logits<Network, Policy>::compute(
                *network_, *policy_, *g, first, g->drafts.summaries().first(count), g->drafts.logits(), context);
            tokens += count;
            detail::accept_tokens(*network_, *policy_, *drafter_, *g, logits);
        }
        // Blocks of several sequences or of a prompt say nothing about the cost of a draft.
        if (sequences.size() == 1 && running.size() == 1 && !running.front()->is_prompt) {
            drafting<Drafter>& drafts = running.front()->drafts;
            drafts.planner.observe(tokens, drafts.proposed().layers(),
                                   std::chrono::duration<double>(clock::now() - begun).count());
        }
    }

private:
    using clock = std::chrono::steady_clock;

    const Network* network_;
    const Policy* policy_;
    const Drafter* drafter_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
