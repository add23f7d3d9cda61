// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_BLOCK_COSTS_HPP
#define EARLYOUT_GENERATE_DRAFTS_BLOCK_COSTS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/generate/drafts/draft.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// What it costs to run a block of m tokens through the model, in units of one token: c(m). Measured as blocks run, and
/// averaged over the recent ones, since it changes with the context and with what else the machine does; or given.
class block_costs {
public:
    static constexpr std::size_t max_tokens = draft::max_size + 1;

    block_costs() = default;
    /// Uses these costs and measures nothing: costs[m - 1] = c(m), the last also for larger blocks.
    /// @throws error (invalid_argument) for a cost that is not a positive number
    explicit block_costs(std::span<const double> costs) : is_given_(!costs.empty()) {
        for (std::size_t m = 1; m <= max_tokens && is_given_; ++m) {
            const double cost = costs[std::min(m, costs.size()) - 1];
            if (!std::isfinite(cost) || cost <= 0.0) {
                fail(errc::invalid_argument, "block costs: expected numbers > 0, found ", cost, " for ", m, " tokens");
            }
            blocks_[m - 1].mean = cost;
        }
    }

    /// Records a block of m tokens.
    void observe(std::size_t m, double seconds) noexcept {
        if (is_given_ || m == 0 || m > max_tokens || !(seconds > 0.0)) return;
        ++now_;
        block& b = blocks_[m - 1];
        // A block that was interrupted says nothing about the model.
        if (b.count >= 4) seconds = std::min(seconds, 2.0 * b.mean);
        b.count = std::min<std::uint64_t>(b.count + 1, memory);
        b.mean += (seconds - b.mean) / static_cast<double>(b.count);
        b.last = now_;
    }

    /// Returns c(m) by what is known: the block's own mean, drawn towards what its neighbours suggest when it has not
    /// run lately, so that one slow block is not remembered forever. m: 1 .. max_tokens
    [[nodiscard]] double operator()(std::size_t m) const noexcept {
        if (is_given_) return blocks_[m - 1].mean / blocks_[0].mean;
        const double one = seconds(1);
        return one > 0.0 ? std::max(1.0, seconds(m) / one) : prior(m);
    }
    /// Returns the measured seconds of one token; 0 before any was measured.
    [[nodiscard]] double seconds_of_one() const noexcept { return is_given_ ? 0.0 : seconds(1); }

private:
    /// Blocks that an average remembers.
    static constexpr std::uint64_t memory = 24;
    /// Blocks of any size after which a mean counts half.
    static constexpr double half_life = 256.0;

    struct block {
        double mean = 0.0;
        std::uint64_t count = 0;
        std::uint64_t last = 0;
    };

    /// Assumed before anything was measured: each further token costs a third of the first one. On CPUs with integer
    /// dot products it is a tenth to a quarter, on others up to 0.8.
    [[nodiscard]] static double prior(std::size_t m) noexcept { return 1.0 + (static_cast<double>(m) - 1.0) / 3.0; }

    [[nodiscard]] double seconds(std::size_t m) const noexcept {
        const block& own = blocks_[m - 1];
        const double others = suggested(m);
        if (own.count == 0) return others;
        if (others == 0.0) return own.mean;
        const double weight = std::exp2(-static_cast<double>(now_ - own.last) / half_life);
        return weight * own.mean + (1.0 - weight) * others;
    }
    /// Interpolates between the nearest blocks that ran; beyond them, follows the prior's slope.
    [[nodiscard]] double suggested(std::size_t m) const noexcept {
        std::size_t below = m - 1, above = m + 1;
        while (below >= 1 && blocks_[below - 1].count == 0) --below;
        while (above <= max_tokens && blocks_[above - 1].count == 0) ++above;
        const bool has_below = below >= 1, has_above = above <= max_tokens;
        if (has_below && has_above) {
            const double share = static_cast<double>(m - below) / static_cast<double>(above - below);
            return (1.0 - share) * blocks_[below - 1].mean + share * blocks_[above - 1].mean;
        }
        if (has_below) return blocks_[below - 1].mean * prior(m) / prior(below);
        if (has_above) return blocks_[above - 1].mean * prior(m) / prior(above);
        return 0.0;
    }

    bool is_given_ = false;
    std::uint64_t now_ = 0;
    std::array<block, max_tokens> blocks_{};
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
