// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_PATIENCE_HPP
#define EARLYOUT_EXIT_GATES_PATIENCE_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>

#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits when the arg-max has not changed for a while (PABEE, arXiv 2006.04152). As in the paper, a token's first exit
/// starts the count at 0, each further exit with the same arg-max as the previous one adds 1, another arg-max resets it
/// to 0, and the token exits when the count reaches `exits_in_a_row`. So 2 requires three consecutive exits that agree,
/// 1 requires two, and 0 exits at the first. Only exits at which this gate is evaluated count. Costs the exit's logits.
struct patience {
    static constexpr signal_set signals = signal::argmax;
    static constexpr threshold_direction direction = threshold_direction::higher_is_conservative;

    struct token_state {
        token_id last = -1;   ///< arg-max at the previous exit; -1 before the first
        unsigned agreed = 0;  ///< consecutive further exits that agreed with it
    };

    static constexpr float grid[]{8.0f, 7.0f, 6.0f, 5.0f, 4.0f, 3.0f, 2.0f, 1.0f};
    static constexpr gate_parameter parameters[]{{.name = "exits",
                                                  .meaning = "further exits in a row with the same most likely token",
                                                  .comparison = ">=",
                                                  .otherwise = 2.0f,
                                                  .min = 1.0f,
                                                  .max = 1e6f,
                                                  .is_exit_count = true,
                                                  .direction = direction,
                                                  .grid = grid}};
    static constexpr gate_info info{
        .name = "patience", .brief = "exits where several exits in a row agree on the token", .parameters = parameters};

    unsigned exits_in_a_row = 2;  ///< further exits that must agree with the one before them

    static constexpr patience from(std::span<const float> values) noexcept {
        return {static_cast<unsigned>(values[0])};
    }

    decision operator()(const auto& s, token_state& state) const {
        const token_id now = s.argmax();
        state.agreed = now == state.last ? state.agreed + 1 : 0;
        state.last = now;
        return state.agreed >= exits_in_a_row ? decision::exit : decision::go_on;
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
