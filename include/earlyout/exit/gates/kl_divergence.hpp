// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_KL_DIVERGENCE_HPP
#define EARLYOUT_EXIT_GATES_KL_DIVERGENCE_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>

#include <optional>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits when the layers since the last evaluated exit hardly changed the distribution: KL(p || p') <= threshold, p
/// being this exit's and p' that one's. Continues at a token's first exit. Costs the exit's logits, an exponential for
/// each, and a copy of them for the next exit.
struct kl_divergence {
    static constexpr signal_set signals = signal::divergence;
    static constexpr threshold_direction direction = threshold_direction::lower_is_conservative;
    static constexpr float grid[]{0.003f, 0.01f, 0.03f, 0.1f, 0.2f, 0.4f, 0.8f, 1.5f};
    static constexpr gate_parameter parameters[]{
        {.name = "threshold",
         .meaning = "KL divergence in nats of the exit's distribution from that of the previous exit, at most",
         .comparison = "<=",
         .otherwise = 0.1f,
         .max = no_limit,
         .direction = direction,
         .grid = grid}};
    static constexpr gate_info info{.name = "kl-divergence",
                                    .brief = "exits where layers no longer change the distribution",
                                    .parameters = parameters};

    float threshold = 0.1f;  ///< nats; < 0 never exits

    static constexpr kl_divergence from(std::span<const float> values) noexcept { return {values[0]}; }

    decision operator()(const auto& s) const {
        const std::optional<float> divergence = s.divergence();
        return divergence && *divergence <= threshold ? decision::exit : decision::go_on;
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
