// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_ALWAYS_HPP
#define EARLYOUT_EXIT_GATES_ALWAYS_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>

#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits at every exit of its plan: `exit_plan{after<3>(always_exit{})}` is a three-layer model. Costs nothing.
struct always_exit {
    static constexpr signal_set signals = no_signals;
    static constexpr gate_info info{
        .name = "fixed", .brief = "exits at the first exit layer, whatever the token", .in_default_sweep = true};

    static constexpr always_exit from(std::span<const float>) noexcept { return {}; }

    constexpr decision operator()(const auto&) const noexcept { return decision::exit; }
};

/// Never exits: full depth, through the same code. Costs nothing.
struct never_exit {
    static constexpr signal_set signals = no_signals;

    constexpr decision operator()(const auto&) const noexcept { return decision::go_on; }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
