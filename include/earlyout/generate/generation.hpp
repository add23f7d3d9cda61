// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_GENERATION_HPP
#define EARLYOUT_GENERATE_GENERATION_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/signals.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/sampler.hpp>
#include <earlyout/generate/sequence.hpp>
#include <earlyout/nn/kv_format.hpp>
#include <earlyout/nn/network.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Result of a step for the next token.
struct prediction {
    enum class outcome : std::uint8_t {
        token,         ///< a token was sampled
        stopped,       ///< a gate decided that the model is about to be wrong
        budget_spent,  ///< a gate's budget is used up
        cancelled,     ///< the options' stop token was triggered
        not_a_number   ///< the logits hold NaN or infinity, or nothing that is finite
    };

    outcome result = outcome::token;
    std::size_t exit_layer = 0;  ///< layers that ran
    token_id token = 0;          ///< sampled; at a stop the exit's arg-max, if the options request it
    float log_probability = 0.0f;
    bool drafted = false;  ///< a drafter proposed this token and the model produced it
};

/// Counted by steps in addition to the context's work.
struct step_counts {
    std::uint64_t catch_up_layer_tokens = 0;  ///< of deferred tokens
    std::uint64_t gate_evaluations = 0;
    std::uint64_t head_evaluations = 0;
    std::uint64_t shortlist_evaluations = 0;
    double gate_seconds = 0.0;
    double head_seconds = 0.0;
};

/// One sequence being continued: its tokens and the state of gates, sampler and shortlist between steps. The network,
/// the policy and the run_context it runs on belong to the step.
template <network Network, class Policy>
struct generation {
    /// Allocates everything that steps need.
    /// @param of the sequence, which may hold tokens
    generation(const Network& network, const Policy& policy, sequence of)
        : tokens(std::move(of)),
          signals(network.shape().d_model, network.shape().vocab, shortlist_of(policy.head).tokens,
                  policy.plan.signals()),
          sample(network.shape().vocab) {
        if (shortlist_of(policy.head).tokens != 0) {
            shortlist_rows =
                network.allocate_output_rows(std::min(shortlist_of(policy.head).tokens, network.shape().vocab));
        }
        accepted.reserve(1);
    }

    sequence tokens;
    exit_signals signals;
    typename Policy::plan_type::state gates{};
    sampler sample;
    typename Network::output_matrix shortlist_rows;

    generate_options options;          ///< of the current completion
    bool is_prompt = true;             ///< the pending tokens are the prompt: nothing was skipped yet
    std::size_t deferred = 0;          ///< generated tokens before the last one that have not run to full depth
    std::vector<prediction> accepted;  ///< added by the last step
    step_counts counts;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
