// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_ACCEPTANCE_RATES_HPP
#define EARLYOUT_GENERATE_DRAFTS_ACCEPTANCE_RATES_HPP

#include <earlyout/generate/drafts/draft.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// How often drafts are accepted relative to the probabilities that their drafters state, by drafter and by how many
/// tokens the draft was found by: running averages that scale the probabilities of later drafts.
class acceptance_rates {
public:
    /// Drafters that are told apart; further ones share the last place.
    static constexpr std::size_t max_drafters = 8;

    /// Returns the probability that a draft's token `index` is accepted if those before it are.
    [[nodiscard]] float probability(const draft& of, std::size_t index) const noexcept {
        const rate& r = rates_[place(of, index)];
        const float unknown = of.layers() == 0 ? prior_of_text : prior_of_exits;
        const float prior = index == 0 ? unknown : share(rates_[place(of, 0)], unknown);
        return std::clamp(of.probabilities()[index] * share(r, prior), 0.0f, 0.995f);
    }
    /// Returns the probability that the drafter states on average; 1 before it has stated any.
    [[nodiscard]] float mean_stated(const draft& of, std::size_t index) const noexcept {
        const rate& first = rates_[place(of, 0)];
        const float of_first = first.count > 0.0f ? first.stated / first.count : 1.0f;
        const rate& r = rates_[place(of, index)];
        return index == 0 ? of_first : (r.stated + prior_weight * of_first) / (r.count + prior_weight);
    }

    /// Records a draft whose first `accepted` tokens were produced by the model, and that the next one was not if
    /// `is_refuted`.
    void learn(const draft& of, std::size_t accepted, bool is_refuted) noexcept {
        for (std::size_t i = 0; i < std::min(accepted, of.size()); ++i) update(of, i, true);
        if (is_refuted && accepted < of.size()) update(of, accepted, false);
    }

private:
    /// Before anything is known, drafters are believed by this much. Whether the first token of a draft from text is
    /// right shows without verifying it, so little is lost by waiting; a draft at exits has to be tried.
    static constexpr float prior_of_text = 0.6f, prior_of_exits = 0.75f;
    static constexpr float prior_weight = 2.5f;
    static constexpr float decay = 0.97f;
    static constexpr std::size_t matches = 7;  // unknown or 1, 2-3, 4-7, ... 64 tokens

    struct rate {
        float accepted = 0.0f;
        float stated = 0.0f;
        float count = 0.0f;
    };

    /// Returns what part of the stated probabilities came true. The prior is worth tokens of the probability that is
    /// stated on average: a drafter that states little is believed no later than one that states much.
    [[nodiscard]] static float share(const rate& r, float prior) noexcept {
        const float weight = prior_weight * (r.count > 0.0f ? std::max(r.stated / r.count, 0.01f) : 1.0f);
        return (r.accepted + weight * prior) / (r.stated + weight);
    }
    [[nodiscard]] static std::size_t place(const draft& of, std::size_t index) noexcept {
        const std::size_t match = std::min<std::size_t>(std::bit_width(std::max<std::size_t>(of.match(), 1)), matches);
        return (std::min(of.origin(), max_drafters - 1) * matches + match - 1) * 2 + (index == 0 ? 0 : 1);
    }
    void update(const draft& of, std::size_t index, bool was_accepted) noexcept {
        rate& r = rates_[place(of, index)];
        r.accepted = decay * r.accepted + (was_accepted ? 1.0f : 0.0f);
        r.stated = decay * r.stated + of.probabilities()[index];
        r.count = decay * r.count + 1.0f;
    }

    std::array<rate, max_drafters * matches * 2> rates_{};
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
