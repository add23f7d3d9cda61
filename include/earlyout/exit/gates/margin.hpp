// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_MARGIN_HPP
#define EARLYOUT_EXIT_GATES_MARGIN_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>

#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits when the two most likely tokens are far apart: p1 - p2 >= threshold (CALM, arXiv 2207.07061,
/// equation 7). Costs the exit's logits.
struct margin {
    static constexpr signal_set signals = signal::margin;
    static constexpr threshold_direction direction = threshold_direction::higher_is_conservative;

    static constexpr float grid[]{0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.4f, 0.3f, 0.2f};
    static constexpr gate_parameter parameters[]{{.name = "threshold",
                                                  .meaning = "p1 - p2 of the exit's two most likely tokens, at least",
                                                  .comparison = ">=",
                                                  .otherwise = 0.9f,
                                                  .direction = direction,
                                                  .grid = grid}};
    static constexpr gate_info info{.name = "margin",
                                    .brief = "exits where the two most likely tokens are far apart",
                                    .parameters = parameters,
                                    .in_default_sweep = true};

    float threshold = 0.9f;  ///< difference of two probabilities; > 1 never exits

    static constexpr margin from(std::span<const float> values) noexcept { return {values[0]}; }

    decision operator()(const auto& s) const { return s.margin() >= threshold ? decision::exit : decision::go_on; }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
