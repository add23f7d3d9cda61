// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_ENTROPY_HPP
#define EARLYOUT_EXIT_GATES_ENTROPY_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>

#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits when the next token is nearly certain: H(p) = -sum p log p <= threshold (DeeBERT, arXiv 2004.12993). Costs the
/// exit's logits and two exponentials for each.
struct entropy {
    static constexpr signal_set signals = signal::entropy;
    static constexpr threshold_direction direction = threshold_direction::lower_is_conservative;

    static constexpr float grid[]{0.05f, 0.1f, 0.2f, 0.4f, 0.7f, 1.0f, 1.5f, 2.0f};
    static constexpr gate_parameter parameters[]{{.name = "threshold",
                                                  .meaning = "entropy of the exit's distribution in nats, at most",
                                                  .comparison = "<=",
                                                  .otherwise = 0.5f,
                                                  .max = no_limit,
                                                  .direction = direction,
                                                  .grid = grid}};
    static constexpr gate_info info{
        .name = "entropy", .brief = "exits where the exit's distribution has low entropy", .parameters = parameters};

    float threshold = 0.5f;  ///< nats; < 0 never exits

    static constexpr entropy from(std::span<const float> values) noexcept { return {values[0]}; }

    decision operator()(const auto& s) const { return s.entropy() <= threshold ? decision::exit : decision::go_on; }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
