// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DECODE_STEP_HPP
#define EARLYOUT_GENERATE_DECODE_STEP_HPP

#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/signals.hpp>
#include <earlyout/generate/sequence.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <stop_token>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// How the last token of a sequence left the layers.
struct step_result {
    enum class outcome { predicted, stopped, spent, cancelled, not_a_number };

    outcome result = outcome::predicted;
    std::size_t exit_layer = 0;  ///< layers that ran for the token
};

/// What steps count besides the sequence's own work.
struct step_counts {
    std::uint64_t debt_repaid = 0;
    std::uint64_t gate_evaluations = 0;
    double gate_seconds = 0.0;
};

/// Takes the last token of a sequence as deep as it needs to go. Afterwards `signals` stand at the exit:
/// the next token is drawn from their logits.
/// @param waiting generated tokens before it that have not passed all layers
template <class Network, class Policy>
step_result decode_step(sequence<Network>& tokens, const Policy& policy, exit_signals& signals,
                        typename Policy::plan_type::sequence_state& gate_memory, std::size_t waiting,
                        const std::stop_token& cancel, step_counts& counts) {
    using clock = std::chrono::steady_clock;
    const std::size_t layers = tokens.layers();
    const std::size_t position = tokens.size() - 1;
    const bool keep_hidden = policy.plan.signals().contains(signal::previous_hidden_state);

    // The layers that the token before it skipped get keys and values now, never will, or go on waiting for company.
    if constexpr (Policy::cache_type::omits) {
        tokens.omit_waiting();
    } else if constexpr (!Policy::cache_type::defers) {
        tokens.propagate_waiting();
    }

    // A new token knows nothing of the gates it will meet.
    typename Policy::plan_type::token_state token_memory{};
    signals.start_token(position);
    std::size_t depth = 0;
    decision said = decision::go_on;
    bool cancelled = false;
    bool numbers = true;

    // It climbs, and earlier tokens that left below go along from where they left.
    const auto climb_to = [&](std::size_t layer) {
        for (std::size_t l = depth + 1; l <= layer; ++l) counts.debt_repaid += position - tokens.passed(l);
        cancelled = !tokens.climb(depth + 1, layer, cancel, position);
        depth = layer;
        return !cancelled;
    };

    // When too many generated tokens wait below, this one goes all the way and takes them along.
    const bool pay_debt = waiting >= policy.cache.cap;

    // After each exit layer, its gate decides.
    if (!pay_debt) {
        policy.plan.for_each_exit(token_memory, gate_memory, [&](std::size_t layer, auto ask_gate) {
            if (depth != 0) signals.leave(keep_hidden);
            if (!climb_to(layer)) return false;
            signals.arrive(layer, tokens.row(position));
            const clock::time_point asked = clock::now();
            said = ask_gate(signals);
            counts.gate_seconds += std::chrono::duration<double>(clock::now() - asked).count();
            ++counts.gate_evaluations;
            // No gate decides on NaN. What an exit answers with is looked at by whoever draws from it.
            const bool ends = said == decision::stop || said == decision::spent;
            if (signals.has_summary() || ends) numbers = signals.computed_are_numbers();
            return numbers && said == decision::go_on;
        });
    }

    // Nobody held it back: it goes through the remaining layers.
    if (!cancelled && numbers && said == decision::go_on && depth < layers && climb_to(layers)) {
        signals.arrive(layers, tokens.row(position));
    }
    if (cancelled) return {step_result::outcome::cancelled, depth};
    if (!numbers) return {step_result::outcome::not_a_number, depth};

    if (said == decision::spent) return {step_result::outcome::spent, depth};
    return {said == decision::stop ? step_result::outcome::stopped : step_result::outcome::predicted, depth};
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
