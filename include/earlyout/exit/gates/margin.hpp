// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_MARGIN_HPP
#define EARLYOUT_EXIT_GATES_MARGIN_HPP

#include <earlyout/exit/gate.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits when the two most likely tokens are far apart: p1 - p2 >= threshold (CALM, arXiv 2207.07061,
/// equation 7). Costs the exit's logits.
struct margin {
    static constexpr signal_set signals = signal::margin;
    static constexpr safer safer_threshold = safer::higher;

    float threshold = 0.9f;  ///< difference of two probabilities; > 1 never exits

    decision operator()(const auto& s) const { return s.margin() >= threshold ? decision::exit : decision::go_on; }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
