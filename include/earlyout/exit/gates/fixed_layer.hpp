// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_FIXED_LAYER_HPP
#define EARLYOUT_EXIT_GATES_FIXED_LAYER_HPP

#include <earlyout/exit/gate.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits at the first exit at or after a layer chosen at run time. Costs nothing.
struct fixed_layer {
    static constexpr signal_set signals = no_signals;
    /// More layers are closer to the full model.
    static constexpr threshold_direction direction = threshold_direction::higher_is_conservative;

    std::size_t layer = 1;  ///< layers to run, from 1

    constexpr decision operator()(const auto& s) const noexcept {
        return s.layer() >= layer ? decision::exit : decision::go_on;
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
