// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DRAFT_PLANNER_HPP
#define EARLYOUT_GENERATE_DRAFTS_DRAFT_PLANNER_HPP

#include <earlyout/generate/drafts/acceptance_rates.hpp>
#include <earlyout/generate/drafts/block_costs.hpp>
#include <earlyout/generate/drafts/draft.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Decides how many tokens of a draft to verify, such that the expected tokens per second are the most:
///
///     max over k of (1 + p1 + p1 p2 + ... + p1...pk) / c(k + 1)
///
/// with the probabilities as measured for the drafter, and c(m) the cost of a block of m tokens. Where drafts have not
/// helped for a while, it looks less often whether they would. It decides how fast tokens are produced, never which.
class draft_planner {
public:
    /// @param costs c(1), c(2), ...: see block_costs; empty: measured
    explicit draft_planner(std::span<const double> costs = {}) : costs_(costs) {}

    /// Returns false when no draft is worth proposing this time: drafts were of no use lately.
    [[nodiscard]] bool wants_draft() noexcept {
        if (skipped_ < pause_) {
            ++skipped_;
            return false;
        }
        skipped_ = 0;
        return true;
    }

    /// Returns the number of tokens of a draft to verify.
    [[nodiscard]] std::size_t length(const draft& of) const noexcept {
        double all = 1.0, tokens = 1.0, best = least_gain;
        std::size_t length = 0;
        for (std::size_t k = 1; k <= of.size(); ++k) {
            all *= static_cast<double>(rates_.probability(of, k - 1));
            tokens += all;
            const double gain = tokens / costs_(k + 1);
            if (gain > best) {
                best = gain;
                length = k;
            }
        }
        return length;
    }

    /// Records a proposal: the model produced its first `accepted` tokens, and another one instead of the next if
    /// `is_refuted`. What was not verified also counts, as far as it is known.
    void learn(const draft& proposed, std::size_t accepted, bool is_refuted) noexcept {
        if (proposed.empty()) return;
        rates_.learn(proposed, accepted, is_refuted);
        if (accepted != 0) {
            misses_ = pause_ = 0;
        } else if (is_refuted && ++misses_ >= misses_before_pause) {
            pause_ = std::min(std::max<std::uint32_t>(1, 2 * pause_), max_pause);
        }
    }
    /// Records the seconds that a block of m tokens took.
    void observe(std::size_t m, double seconds) noexcept { costs_.observe(m, seconds); }

    [[nodiscard]] const block_costs& costs() const noexcept { return costs_; }
    [[nodiscard]] const acceptance_rates& rates() const noexcept { return rates_; }

private:
    /// A draft is verified if it promises this much more tokens per second: estimates have errors.
    static constexpr double least_gain = 1.02;
    static constexpr std::uint32_t misses_before_pause = 16;
    static constexpr std::uint32_t max_pause = 8;

    block_costs costs_;
    acceptance_rates rates_;
    std::uint32_t misses_ = 0;   ///< proposals in a row whose first token was wrong
    std::uint32_t pause_ = 0;    ///< tokens between two proposals
    std::uint32_t skipped_ = 0;  ///< tokens since the last one
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
