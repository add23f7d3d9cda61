// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DRAFT_CONTEXT_HPP
#define EARLYOUT_GENERATE_DRAFTS_DRAFT_CONTEXT_HPP

#include <earlyout/generate/drafts/draft.hpp>
#include <earlyout/generate/drafts/draft_exits.hpp>
#include <earlyout/generate/drafts/draft_planner.hpp>

#include <algorithm>
#include <cstddef>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Lent to a drafter for one proposal: what drafts are worth, and the policy's exits.
class draft_context {
public:
    draft_context(draft_planner& planner, draft_exits& exits) noexcept : planner_(&planner), exits_(&exits) {}

    /// Returns the context for a drafter within another one.
    /// @param first index of its first origin in drafter_names() of the other
    [[nodiscard]] draft_context at(std::size_t first) const noexcept {
        draft_context made = *this;
        made.origin_ += first;
        return made;
    }
    /// Returns the context for a drafter that competes with a draft of this gain.
    [[nodiscard]] draft_context against(double gain) const noexcept {
        draft_context made = *this;
        made.other_gain_ = std::max(other_gain_, gain);
        return made;
    }
    /// Returns the expected tokens per second with a draft, relative to none; 1 if it is better not verified.
    /// @param of its origin counts from this drafter
    [[nodiscard]] double gain(draft of) const noexcept {
        of.set_origin(of.origin() + origin_);
        return planner_->gain(of);
    }
    /// Returns the length of a draft of exits that promises the most, and its gain; 0 if a competing draft promises
    /// more. Call it once for a proposal: it counts when to try whether drafts help again.
    [[nodiscard]] draft_planner::plan plan_exits(std::size_t limit) const noexcept {
        return planner_->plan_exits(origin_, limit, other_gain_);
    }
    /// Tells the planner of a draft that may not be chosen: whether its first token is right shows without verifying
    /// it.
    /// @param of its origin counts from this drafter
    void note(draft of) const noexcept {
        of.set_origin(of.origin() + origin_);
        planner_->note(of);
    }
    [[nodiscard]] draft_exits& exits() const noexcept { return *exits_; }

private:
    draft_planner* planner_;
    draft_exits* exits_;
    std::size_t origin_ = 0;
    double other_gain_ = 1.0;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
