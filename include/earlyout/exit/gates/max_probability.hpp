// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_MAX_PROBABILITY_HPP
#define EARLYOUT_EXIT_GATES_MAX_PROBABILITY_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>

#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits when the most likely token's probability p1 >= threshold (CALM, arXiv 2207.07061, "softmax
/// response"). Costs the exit's logits.
struct max_probability {
    static constexpr signal_set signals = signal::max_probability;
    static constexpr threshold_direction direction = threshold_direction::higher_is_conservative;

    static constexpr float grid[]{0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.4f, 0.3f, 0.2f};
    static constexpr gate_parameter parameters[]{{.name = "threshold",
                                                  .meaning = "probability of the exit's most likely token, at least",
                                                  .comparison = ">=",
                                                  .otherwise = 0.9f,
                                                  .direction = direction,
                                                  .grid = grid}};
    static constexpr gate_info info{.name = "max-probability",
                                    .brief = "exits where the most likely token is probable enough",
                                    .parameters = parameters};

    float threshold = 0.9f;  ///< probability; > 1 never exits

    static constexpr max_probability from(std::span<const float> values) noexcept { return {values[0]}; }

    decision operator()(const auto& s) const {
        return s.max_probability() >= threshold ? decision::exit : decision::go_on;
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
