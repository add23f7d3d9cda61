// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_ROTARY_SCALING_HPP
#define EARLYOUT_NN_ROTARY_SCALING_HPP

#include <earlyout/core/config.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// YaRN (Peng et al., 2023): planes that turn more than `beta_fast` times over the original context keep their
/// frequency, those that turn less than `beta_slow` times rotate `factor` times slower, and those between are blended
/// by their index. Queries and keys also grow: see magnitude().
struct yarn_scaling {
    double factor = 1.0;
    double original_context = 4096.0;
    double beta_fast = 32.0;
    double beta_slow = 1.0;
    bool truncate = true;  ///< the blended range is widened to whole planes

    /// @param frequencies of the planes of `dim` elements, with this base
    void operator()(std::span<double> frequencies, std::size_t dim, double base) const noexcept {
        const double width = static_cast<double>(dim);
        // The (fractional) index of the plane that makes `turns` rotations over the original context.
        const auto plane = [&](double turns) {
            return width * std::log(original_context / (turns * 2.0 * std::numbers::pi)) / (2.0 * std::log(base));
        };
        double low = plane(beta_fast), high = plane(beta_slow);
        if (truncate) {
            low = std::floor(low);
            high = std::ceil(high);
        }
        low = std::max(low, 0.0);
        high = std::min(high, width - 1.0);
        if (low == high) high += 0.001;  // a step
        for (std::size_t i = 0; i < frequencies.size(); ++i) {
            const double slowed = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
            frequencies[i] *= slowed / factor + (1.0 - slowed);
        }
    }

    /// Returns the factor on rotated queries and keys: 0.1 weight ln(factor) + 1.
    [[nodiscard]] double magnitude(double weight = 1.0) const noexcept {
        return factor <= 1.0 ? 1.0 : 0.1 * weight * std::log(factor) + 1.0;
    }
};

/// Returns LongRoPE's factor on rotated queries and keys (Ding et al., 2024): sqrt(1 + ln(factor) / ln(original)).
/// @param factor           extended context divided by the original one
/// @param original_context more than 1
[[nodiscard]] inline double longrope_magnitude(double factor, double original_context) noexcept {
    return factor <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(factor) / std::log(original_context));
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
