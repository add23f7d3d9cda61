// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATE_INFO_HPP
#define EARLYOUT_EXIT_GATE_INFO_HPP

#include <earlyout/exit/decision.hpp>

#include <cstddef>
#include <limits>
#include <span>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A gate's parameter as named in text: `margin(0.9)`, `sec(0.9, stop=0.8)`.
struct gate_parameter {
    std::string_view name;
    std::string_view meaning;     ///< "exits where p1 - p2 is at least this"
    std::string_view comparison;  ///< how the gate compares with it, for reports: ">="
    float otherwise = 0.0f;       ///< default value
    float min = 0.0f;             ///< smallest and largest meaningful value
    float max = 1.0f;
    bool is_exit_count = false;  ///< a whole number of exits; a plan with fewer exits never reaches it
    threshold_direction direction = threshold_direction::higher_is_conservative;
    std::span<const float> grid{};              ///< values worth trying, from conservative to bold; empty: none
    std::span<const std::string_view> words{};  ///< names of the values 0, 1, ...; empty: a number
};

inline constexpr float no_limit = std::numeric_limits<float>::max();

/// Catalogue entry of a gate. A gate's type holds it as `info`.
struct gate_info {
    std::string_view name;   ///< "margin", as users write it; of a fitted gate also the prefix of its tensors' names
    std::string_view brief;  ///< one line: its exit criterion
    std::span<const gate_parameter> parameters{};
    /// What follows `NAME.` or `NAME.LAYER.` in the names of its fitted tensors; empty: not fitted.
    std::span<const std::string_view> tensors{};
    bool in_default_sweep = false;  ///< `evaluate` tries it when nothing was fitted to the model
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
