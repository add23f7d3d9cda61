// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DRAFT_PLANNER_HPP
#define EARLYOUT_GENERATE_DRAFTS_DRAFT_PLANNER_HPP

#include <earlyout/generate/drafts/acceptance_rates.hpp>
#include <earlyout/generate/drafts/block_costs.hpp>
#include <earlyout/generate/drafts/draft.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Decides how many tokens of a draft to verify, such that the expected tokens per second are the most:
///
///     max over k of (1 + p1 + p1 p2 + ... + p1...pk) / c(k + 1)
///
/// with the probabilities as measured for the drafter, and c(m) the cost of a block of m tokens, the drafting included.
/// Where drafts have not helped for a while, it looks less often whether they would. It decides how fast tokens are
/// produced, never which.
class draft_planner {
public:
    /// A length and the expected tokens per second with it, relative to no draft.
    struct plan {
        std::size_t length = 0;
        double gain = 1.0;
    };

    /// @param costs c(1), c(2), ...: see block_costs; empty: measured
    explicit draft_planner(std::span<const double> costs = {}) : costs_(costs), exit_costs_(costs, exit_slope) {}

    /// Returns false when no draft is worth proposing this time: drafts were of no use lately.
    [[nodiscard]] bool wants_draft() noexcept {
        if (skipped_ < pause_) {
            ++skipped_;
            return false;
        }
        skipped_ = 0;
        noted_count_ = 0;
        return true;
    }
    /// Records a draft that competes with others for being verified.
    void note(const draft& of) noexcept {
        if (of.empty() || of.layers() != 0 || noted_count_ == noted_.size()) return;
        const auto known = std::span(noted_).first(noted_count_);
        if (std::ranges::find(known, of.origin(), &draft::origin) != known.end()) return;  // by a combination within
        noted_[noted_count_] = of;
        noted_[noted_count_++].truncate(1);
    }

    /// Returns the number of tokens of a draft to verify. All of a draft that ran layers: most of its cost is spent.
    [[nodiscard]] std::size_t length(const draft& of) noexcept {
        if (of.layers() != 0) return of.size();
        const std::size_t best = best_plan(of).length;
        if (best == 0 || ++planned_ % plans_between_longer != 0) return best;
        return std::min(best + 1, of.size());
    }
    /// Returns the expected tokens per second with a draft, relative to none; 1 if it is better not verified.
    [[nodiscard]] double gain(const draft& of) const noexcept { return best_plan(of).gain; }
    /// Returns the length for drafts of a drafter that runs layers, before it has drafted any. Where none is expected
    /// to help, it tries one token from time to time.
    /// @param limit max length
    /// @param gain  of another draft, which it has to exceed
    [[nodiscard]] plan plan_exits(std::size_t origin, std::size_t limit, double gain = 1.0) noexcept {
        draft expected(limit);
        expected.set_origin(origin);
        expected.set_layers(1);
        for (float stated = 1.0f; !expected.is_full(); expected.push(0, stated)) {
            stated = rates_.mean_stated(expected, expected.size());
        }
        is_try_ = false;
        plan made = best_plan(expected);
        if (made.gain <= gain) made.length = 0;
        // Longer drafts than the best are only known from trying one.
        if (made.length != 0 && ++planned_ % plans_between_longer == 0) made.length = std::min(made.length + 1, limit);
        if (made.length != 0) return made;
        untried_ = untried_ < tokens_between_tries ? untried_ + 1 : 0;
        is_try_ = untried_ == 0 && limit != 0;
        return {is_try_ ? std::size_t{1} : 0, 1.0};
    }

    /// Records the token that the model produced where drafts were noted.
    /// @param proposed the one of them that was chosen, of which learn() tells
    void learn_noted(const draft& proposed, token_id produced) noexcept {
        for (const draft& of : std::span(noted_).first(std::exchange(noted_count_, 0))) {
            const bool right = of.ids().front() == produced;
            if (of.origin() != proposed.origin()) rates_.learn(of, right ? 1 : 0, !right);
        }
    }
    /// Records a proposal: the model produced its first `accepted` tokens, and another one instead of the next if
    /// `is_refuted`. What was not verified also counts, as far as it is known.
    void learn(const draft& proposed, std::size_t accepted, bool is_refuted) noexcept {
        if (proposed.empty()) return;
        rates_.learn(proposed, accepted, is_refuted);
        const bool is_try = is_try_ && proposed.layers() != 0;
        is_try_ = false;
        if (accepted != 0) {
            misses_ = pause_ = 0;
            if (is_try) untried_ = tokens_between_tries;  // so the next token is another one
        } else if (is_refuted && proposed.layers() == 0 && ++misses_ >= misses_before_pause) {
            // Drafts at exits are tried rarely enough by plan_exits().
            pause_ = std::min(std::max<std::uint32_t>(1, 2 * pause_), max_pause);
        }
    }
    /// Records the seconds that a block of m tokens took, the drafting included.
    /// @param layers of the draft, as draft::layers()
    void observe(std::size_t m, std::size_t layers, double seconds) noexcept {
        const bool of_exits = layers != 0;
        // One token costs the same to either.
        if (m == 1 || of_exits) {
            exit_costs_.observe(m, seconds);
        } else {
            exit_costs_.age();
        }
        if (m == 1 || !of_exits) {
            costs_.observe(m, seconds);
        } else {
            costs_.age();
        }
    }

    /// Returns c(m) for blocks whose draft took no layers, or some.
    [[nodiscard]] double cost(std::size_t m, std::size_t layers = 0) const noexcept {
        const block_costs& of = layers == 0 ? costs_ : exit_costs_;
        const double one = costs_.seconds(1);
        return one > 0.0 && of.is_measured() ? std::max(1.0, of.seconds(m) / one) : of.prior(m);
    }
    [[nodiscard]] const acceptance_rates& rates() const noexcept { return rates_; }

private:
    /// A draft is verified if it promises this much more tokens per second: estimates have errors.
    static constexpr double least_gain = 1.02;
    /// Assumed of each drafted token that ran some layers, before anything was measured.
    static constexpr double exit_slope = 0.55;
    static constexpr std::uint32_t misses_before_pause = 16;
    static constexpr std::uint32_t max_pause = 8;
    static constexpr std::uint32_t tokens_between_tries = 64;
    static constexpr std::uint32_t plans_between_longer = 16;

    [[nodiscard]] plan best_plan(const draft& of) const noexcept {
        double all = 1.0, tokens = 1.0;
        plan best{.length = 0, .gain = least_gain};
        for (std::size_t k = 1; k <= of.size(); ++k) {
            all *= static_cast<double>(rates_.probability(of, k - 1));
            tokens += all;
            const double gain = tokens / cost(k + 1, of.layers());
            if (gain > best.gain) best = {k, gain};
        }
        return best.length == 0 ? plan{} : best;
    }

    block_costs costs_;
    block_costs exit_costs_;
    acceptance_rates rates_;
    std::array<draft, acceptance_rates::max_drafters> noted_{};
    std::size_t noted_count_ = 0;
    std::uint32_t misses_ = 0;   ///< proposals in a row whose first token was wrong
    std::uint32_t pause_ = 0;    ///< tokens between two proposals
    std::uint32_t skipped_ = 0;  ///< tokens since the last one
    std::uint32_t planned_ = 0;
    std::uint32_t untried_ = 0;  ///< tokens since the last try of a draft at exits
    bool is_try_ = false;        ///< the draft at exits that was planned last
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
