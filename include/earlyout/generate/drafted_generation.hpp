// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTED_GENERATION_HPP
#define EARLYOUT_GENERATE_DRAFTED_GENERATION_HPP

#include <earlyout/exit/exit_head.hpp>
#include <earlyout/generate/detail/draft_vocabulary.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/drafting.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/generate/sequence.hpp>
#include <earlyout/nn/network.hpp>

#include <cstddef>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A sequence being continued with drafts.
template <network Network, class Policy, drafter Drafter>
struct drafted_generation : generation<Network, Policy> {
    /// Allocates everything that steps need.
    /// @param of       the sequence, which may hold tokens
    /// @param max_rows tokens that run through a layer together
    drafted_generation(const Network& network, const Policy& policy, const Drafter& drafter, sequence of,
                       std::size_t max_rows, const draft_options& drafted)
        : generation<Network, Policy>(network, policy, std::move(of)),
          drafts(drafter, network.shape(), this->tokens.capacity(), max_rows, drafted),
          vocabulary(shortlist_of(policy.head).tokens, network.shape().vocab) {
        this->accepted.reserve(draft::max_size + 1);
    }

    drafting<Drafter> drafts;
    detail::draft_vocabulary vocabulary;
    typename Policy::plan_type::sequence_state gates_before_draft{};
};

/// Returns true if a policy's tokens are drafted and verified at full depth: it has no exits, or they serve the
/// drafter.
template <class Policy, drafter Drafter>
[[nodiscard]] bool verifies_drafts(const Policy& policy, const Drafter& drafter) noexcept {
    return !proposes_nothing(drafter) && (!policy.plan.next_exit(0) || uses_exits(drafter));
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
