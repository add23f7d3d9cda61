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

/// Seconds that a block of m tokens takes. Measured as blocks run, and averaged over the recent ones, since they change
/// with the context and with what else the machine does; or given, in any unit.
class block_costs {
public:
    static constexpr std::size_t max_tokens = draft::max_size + 1;
    /// A guess until blocks have run; `earlyout_block_cost` of the benchmarks measures it.
    static constexpr double usual_slope = 1.0 / 3.0;

    /// @param given seconds of 1, 2, ... tokens, the last also of larger blocks; empty: measured
    /// @param slope what each further token costs relative to the first, assumed until it is measured
    /// @throws error (invalid_argument) for a cost that is not a positive number
    explicit block_costs(std::span<const double> given = {}, double slope = usual_slope)
        : is_given_(!given.empty()), slope_(slope) {
        for (std::size_t m = 1; m <= max_tokens && is_given_; ++m) {
            const double cost = given[std::min(m, given.size()) - 1];
            if (!std::isfinite(cost) || cost <= 0.0) {
                fail(errc::invalid_argument, "block costs: expected numbers > 0, found ", cost, " for ", m, " tokens");
            }
            blocks_[m - 1] = {.mean = cost, .count = 1, .last = 0};
        }
    }

    /// Records a block of m tokens.
    void observe(std::size_t m, double seconds) noexcept {
        if (is_given_ || m == 0 || m > max_tokens || !(seconds > 0.0)) return;
        ++now_;
        measured_ = true;
        block& b = blocks_[m - 1];
        // A block that was interrupted says nothing about the model.
        if (b.count >= 4) seconds = std::min(seconds, 2.0 * b.mean);
        b.count = std::min<std::uint64_t>(b.count + 1, memory);
        b.mean += (seconds - b.mean) / static_cast<double>(b.count);
        b.last = now_;
    }

    /// Records a block elsewhere: what was measured here is that much older.
    void age() noexcept { ++now_; }
    /// Returns true when anything was measured or given.
    [[nodiscard]] bool is_measured() const noexcept { return is_given_ || measured_; }
    /// Returns the block's own mean, drawn towards what its neighbours suggest when it has not run lately, so that one
    /// slow block is not remembered forever; 0 when nothing was measured. m: 1 .. max_tokens
    [[nodiscard]] double seconds(std::size_t m) const noexcept {
        const block& own = blocks_[m - 1];
        if (is_given_) return own.mean;
        const double others = suggested(m);
        if (own.count == 0) return others;
        if (others == 0.0) return own.mean;
        const double weight = std::exp2(-static_cast<double>(now_ - own.last) / half_life);
        return weight * own.mean + (1.0 - weight) * others;
    }
    /// Returns the cost of m tokens relative to one that is assumed until it is measured.
    [[nodiscard]] double prior(std::size_t m) const noexcept { return 1.0 + slope_ * (static_cast<double>(m) - 1.0); }

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

    /// Interpolates between the nearest blocks that ran; beyond them, follows their slope, or the prior's.
    [[nodiscard]] double suggested(std::size_t m) const noexcept {
        std::size_t below = m - 1, above = m + 1;
        while (below >= 1 && blocks_[below - 1].count == 0) --below;
        while (above <= max_tokens && blocks_[above - 1].count == 0) ++above;
        const bool has_below = below >= 1, has_above = above <= max_tokens;
        if (has_below && has_above) {
            const double share = static_cast<double>(m - below) / static_cast<double>(above - below);
            return (1.0 - share) * blocks_[below - 1].mean + share * blocks_[above - 1].mean;
        }
        if (has_below) {
            const double last = blocks_[below - 1].mean;
            std::size_t before = below - 1;
            while (before >= 1 && blocks_[before - 1].count == 0) --before;
            if (before == 0) return last * prior(m) / prior(below);
            // Larger blocks are tried sooner if a little too much is expected of them.
            constexpr double optimism = 0.75;
            const double slope = (last - blocks_[before - 1].mean) / static_cast<double>(below - before);
            return last + optimism * std::max(slope, 0.0) * static_cast<double>(m - below);
        }
        if (has_above) return blocks_[above - 1].mean * prior(m) / prior(above);
        return 0.0;
    }

    bool is_given_ = false;
    double slope_ = usual_slope;
    bool measured_ = false;
    std::uint64_t now_ = 0;
    std::array<block, max_tokens> blocks_{};
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
