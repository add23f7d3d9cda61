// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_STEPS_EARLY_EXIT_HPP
#define EARLYOUT_GENERATE_STEPS_EARLY_EXIT_HPP

#include <earlyout/exit/decision.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/generate/draw_token.hpp>
#include <earlyout/generate/exit_logits.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/generate/pending.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The step that runs each token as deep as it needs to.
template <network Network, class Policy>
class early_exit {
public:
    using generation_type = generation<Network, Policy>;

    /// Makes a step; both arguments must outlive it.
    early_exit(const Network& network, const Policy& policy) noexcept : network_(&network), policy_(&policy) {}

    /// Predicts the token that follows each sequence's last one: the complete path of a token. All sequences run
    /// through the layers together; one whose token exits drops out while the others continue.
    /// @param sequences reordered
    void predict(run_context& context, std::span<generation_type*> sequences) const {
        std::span<generation_type*> running = sequences;
        for (generation_type* const g : running) {
            const std::size_t position = g->tokens.size() - 1;
            // The layers that earlier tokens skipped get keys and values now, never will, or stay pending.
            if (!g->is_prompt) policy_->cache.before_token(skipped_layers(*network_, g->tokens, context));
            g->tokens.need_from(position);
            g->gates.token = {};
            g->signals.start_token(position);
            g->accepted.clear();
        }

        for (std::size_t depth = 0; !running.empty();) {
            // A cancelled completion ends between two layers.
            running = without(running, [&](generation_type& g) {
                if (!g.options.cancel.stop_requested()) return false;
                g.accepted.push_back({.result = prediction::outcome::cancelled, .exit_layer = depth});
                return true;
            });

            // Run the tokens through the next layer, batched with those that are pending there.
            ++depth;
            for (generation_type* const g : running) {
                if (!g->is_prompt) g->counts.catch_up_layer_tokens += g->tokens.size() - 1 - g->tokens.frontier(depth);
            }
            run_pending(*network_, depth, std::span<generation_type* const>(running), context);

            running = without(running, [&](generation_type& g) {
                const bool at_exit = !full_depth(g) && policy_->plan.next_exit(depth - 1) == depth;
                const bool at_top = depth == network_->shape().layers;
                if (!at_exit && !at_top) return false;

                // At an exit the gate decides: continue, exit here, or stop. The last layer needs no decision.
                exit_logits<Network, Policy> logits(*network_, *policy_, g, context);
                g.signals.begin_exit(depth, g.tokens.hidden_state(g.tokens.size() - 1), logits);
                const decision decided = at_exit ? evaluate_gate(*policy_, g, depth) : decision::exit;
                if (decided == decision::go_on && !at_top && (!g.signals.has_summary() || g.signals.are_numbers())) {
                    g.signals.end_exit();
                    return false;
                }

                // Sample the next token from this exit's logits.
                g.accepted.push_back(draw_token(*policy_, g, decided, network_->shape().layers));
                return true;
            });
        }
    }

private:
    /// Removes the sequences for which `finished` returns true.
    template <class Finished>
    static std::span<generation_type*> without(std::span<generation_type*> running, Finished finished) {
        const auto kept =
            std::partition(running.begin(), running.end(), [&](generation_type* const g) { return !finished(*g); });
        return running.first(static_cast<std::size_t>(kept - running.begin()));
    }

    /// Returns true for a token that runs to full depth without evaluating exits: the prompt's last under eager
    /// prefill, and one that has to catch up as many deferred tokens as the policy allows.
    [[nodiscard]] bool full_depth(const generation_type& g) const noexcept {
        return (g.is_prompt && policy_->cache.prefill == prefill::eager) || g.deferred >= policy_->cache.cap;
    }

    const Network* network_;
    const Policy* policy_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
