// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_MAX_PROBABILITY_HPP
#define EARLYOUT_EXIT_GATES_MAX_PROBABILITY_HPP

#include <earlyout/exit/gate.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits when the most likely token's probability p1 >= threshold (CALM, arXiv 2207.07061, "softmax
/// response"). Costs the exit's logits.
struct max_probability {
    static constexpr signal_set signals = signal::max_probability;
    static constexpr safer safer_threshold = safer::higher;

    float threshold = 0.9f;  ///< probability; > 1 never exits

    decision operator()(const auto& s) const {
        return s.max_probability() >= threshold ? decision::exit : decision::go_on;
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
