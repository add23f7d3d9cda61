// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_CANDIDATES_HPP
#define EARLYOUT_CALIBRATE_CANDIDATES_HPP

#include <earlyout/exit/catalogue.hpp>
#include <earlyout/generate/policy_spec.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Returns a parameter's most conservative value: the one at which its gate acts least often.
[[nodiscard]] inline float most_conservative(const gate_parameter& p) noexcept {
    return p.direction == threshold_direction::higher_is_conservative ? p.max : p.min;
}

/// Returns the gate with one parameter set; others that have a grid are set to their most conservative values, so that
/// one parameter is varied at a time.
[[nodiscard]] inline gate_spec with_parameter(const gate_entry& gate, std::size_t index, float value) {
    gate_spec made{.name = std::string(gate.info.name), .values = {}};
    for (const gate_parameter& p : gate.info.parameters) {
        made.values.push_back(p.grid.empty() ? std::nullopt : std::optional(most_conservative(p)));
    }
    made.values[index] = value;
    return made;
}

/// Returns true for a gate whose exits can be checked by a margin: it is fitted, reads no logits and only exits.
[[nodiscard]] inline bool can_be_checked(const gate_entry& gate) noexcept {
    return gate.is_fitted() && !gate.reads_logits() && gate.info.parameters.size() == 1;
}

/// Returns the gate, followed by a margin check of the exit's prediction if the margin is above 0.
[[nodiscard]] inline std::vector<gate_spec> checked_chain(gate_spec gate, float check_margin) {
    std::vector<gate_spec> chain{std::move(gate)};
    if (check_margin > 0.0f) chain.push_back(make_gate_spec(margin::info.name, {check_margin}));
    return chain;
}

/// Returns true where every token exits at its first exit, unconditionally.
[[nodiscard]] inline bool always_exits(const gate_parameter& p, float value, float check_margin) noexcept {
    return p.direction == threshold_direction::lower_is_conservative && p.max < no_limit && value >= p.max &&
           check_margin <= 0.0f;
}

/// Returns the values of a parameter's grid that a plan of n exits can reach.
[[nodiscard]] inline std::vector<float> grid_of(const gate_parameter& p, std::size_t exits) {
    std::vector<float> values(p.grid.begin(), p.grid.end());
    if (p.is_exit_count) {
        const auto most = static_cast<float>(std::max<std::size_t>(exits, 2) - 1);
        std::erase_if(values, [most](float value) { return value > most; });
    }
    return values;
}

/// Returns a finer grid for curves, in increasing order: the values of the grid, the midpoints between them, and the
/// smallest meaningful value.
[[nodiscard]] inline std::vector<float> fine_grid_of(const gate_parameter& p) {
    std::vector<float> values(p.grid.begin(), p.grid.end());
    for (std::size_t i = 1; i < p.grid.size(); ++i) values.push_back(0.5f * (p.grid[i - 1] + p.grid[i]));
    values.push_back(p.min);
    std::ranges::sort(values);
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
