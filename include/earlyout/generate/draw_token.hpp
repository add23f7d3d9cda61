// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAW_TOKEN_HPP
#define EARLYOUT_GENERATE_DRAW_TOKEN_HPP

#include <earlyout/exit/decision.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/generate/detail/scope_timer.hpp>
#include <earlyout/generate/exit_logits.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/generate/sampler.hpp>

#include <cstddef>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Returns true if the most likely token is all that is needed of an exit's logits, so that none are stored.
template <network Network, class Policy>
[[nodiscard]] bool needs_argmax_alone(const Policy& policy, const generate_options& options) noexcept {
    const signal_set read = policy.plan.signals();
    return exit_logits<Network, Policy>::summarizes(policy) && sampler::takes_argmax(options) && !options.on_logits &&
           !read.contains(signal::logits) && !read.contains(signal::entropy) && !read.contains(signal::divergence);
}

/// Evaluates the gate after a layer on the signals of `g`, timed and counted.
template <network Network, class Policy>
[[nodiscard]] decision evaluate_gate(const Policy& policy, generation<Network, Policy>& g, std::size_t layer) {
    const detail::scope_timer timed(g.counts.gate_seconds);
    ++g.counts.gate_evaluations;
    return policy.plan.ask(layer, g.signals, g.gates);
}

/// Draws the token that follows the one whose exit the signals of `g` describe.
/// @param decided what the gate decided there; `exit` after the last layer
/// @param layers  of the network
template <network Network, class Policy>
[[nodiscard]] prediction draw_token(const Policy& policy, generation<Network, Policy>& g, decision decided,
                                    std::size_t layers) {
    const std::size_t layer = g.signals.layer();
    // A token may be sampled from the shortlist's logits at a later exit.
    const shortlist_use shortlist = shortlist_of(policy.head);
    const bool uses_shortlist =
        shortlist.tokens != 0 && (layer < layers || shortlist.reach == shortlist_reach::full_depth);

    prediction made{.result = prediction::outcome::token, .exit_layer = layer};
    if (decided == decision::stop) made.result = prediction::outcome::stopped;
    if (decided == decision::spent) made.result = prediction::outcome::budget_spent;
    const bool stopped = made.result != prediction::outcome::token;
    if (!g.signals.computed_are_numbers()) {
        made.result = prediction::outcome::not_a_number;
        return made;
    }
    if (stopped && !g.options.emit_at_stop) return made;
    const bool takes_argmax = sampler::takes_argmax(g.options);
    if (!takes_argmax || !(g.signals.uses_summaries() || uses_shortlist)) (void)g.signals.logits();
    if (!g.signals.are_numbers()) {
        made.result = prediction::outcome::not_a_number;
        return made;
    }
    const auto history = g.tokens.ids().first(g.signals.position() + 1);
    made.token = stopped || takes_argmax ? g.signals.argmax()
                                         : g.sample(g.signals.logits(), history, g.options, g.signals.new_tokens());
    made.log_probability = g.signals.log_probability(made.token);
    return made;
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
