// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DRAFTING_HPP
#define EARLYOUT_GENERATE_DRAFTS_DRAFTING_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/generate/drafts/draft.hpp>
#include <earlyout/generate/drafts/draft_context.hpp>
#include <earlyout/generate/drafts/draft_exits.hpp>
#include <earlyout/generate/drafts/draft_planner.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/kernels/logit_summary.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Counted by steps that draft.
struct draft_counts {
    std::uint64_t rounds = 0;    ///< blocks that held drafted tokens
    std::uint64_t drafted = 0;   ///< tokens in them
    std::uint64_t accepted = 0;  ///< of these
    double seconds = 0.0;        ///< in drafters
    /// Drafted and accepted tokens by drafter, in the order of drafter_names().
    std::array<std::uint64_t, acceptance_rates::max_drafters> drafted_by{}, accepted_by{};
};

/// What drafting keeps of one sequence between steps: the drafter's state, the planner, and room for the logits of a
/// block.
template <drafter Drafter>
class drafting {
public:
    /// Allocates everything that steps need.
    /// @param max_rows tokens that the session runs through a layer together
    drafting(const Drafter& drafter, const model_shape& shape, std::size_t capacity, std::size_t max_rows,
             const draft_options& options)
        : planner(options.block_costs),
          max_tokens_(proposes_nothing(drafter)
                          ? 0
                          : std::min({options.max_tokens, draft::max_size, std::max<std::size_t>(max_rows, 1) - 1})),
          state_(start_drafts(drafter, {.tokens = capacity, .vocab = shape.vocab})),
          proposed_(max_tokens_),
          summaries_(max_tokens_ + 1),
          logits_((max_tokens_ + 1) * shape.vocab) {}

    /// Proposes tokens to follow `ids` and returns how many of them to verify.
    /// @param wanted max number of them
    [[nodiscard]] std::size_t propose(const Drafter& drafter, std::span<const token_id> ids, std::size_t wanted,
                                      draft_exits& exits) {
        proposed_ = draft(std::min(wanted, max_tokens_));
        if (proposed_.limit() == 0 || !planner.wants_draft()) return 0;
        append_to_drafts(drafter, ids.subspan(followed_), state_);
        followed_ = ids.size();
        draft_context context(planner, exits);
        earlyout::propose(drafter, ids, state_, context, proposed_);
        return planner.length(proposed_);
    }
    /// Returns the last proposal.
    [[nodiscard]] const draft& proposed() const noexcept { return proposed_; }
    /// Records what became of it.
    /// @param verified how many of its tokens were
    /// @param accepted the first of these, produced by the model
    /// @param next     the token that the model produced after them
    void learn(const Drafter& drafter, std::size_t verified, std::size_t accepted, token_id next) {
        if (proposed_.empty()) return;
        planner.learn_noted(proposed_, accepted != 0 ? proposed_.ids().front() : next);
        const bool has_more = accepted < proposed_.size();
        const bool guessed = has_more && proposed_.ids()[accepted] == next;
        planner.learn(proposed_, accepted + (guessed ? 1 : 0), has_more && !guessed);
        if (verified == 0) return;
        const std::size_t origin = std::min(proposed_.origin(), counts.drafted_by.size() - 1);
        ++counts.rounds;
        counts.drafted += verified;
        counts.accepted += accepted;
        counts.drafted_by[origin] += verified;
        counts.accepted_by[origin] += accepted;
        proposed_.truncate(verified);
        learn_from(drafter, {proposed_, accepted}, state_);
    }
    /// Removes all but the first `size` tokens of the sequence.
    void rollback(const Drafter& drafter, std::size_t size) {
        if (size >= followed_) return;
        rollback_drafts(drafter, size, state_);
        followed_ = size;
    }

    /// Returns room for the summaries or logits of a block. [max tokens], [max tokens, vocab]
    [[nodiscard]] std::span<kernels::logit_summary> summaries() noexcept { return summaries_; }
    [[nodiscard]] std::span<float> logits() noexcept { return logits_.span(); }

    draft_planner planner;
    draft_counts counts;
    std::size_t limit = 0;  ///< max tokens to draft in the next step

private:
    std::size_t max_tokens_;
    drafter_state_of<Drafter> state_;
    std::size_t followed_ = 0;  // tokens of the sequence that the drafter was told of
    draft proposed_;
    std::vector<kernels::logit_summary> summaries_;
    aligned_buffer<float> logits_;  // pages that are never used take no memory
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
