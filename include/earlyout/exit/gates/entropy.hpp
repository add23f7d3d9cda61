// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_ENTROPY_HPP
#define EARLYOUT_EXIT_GATES_ENTROPY_HPP

#include <earlyout/exit/gate.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits when the next token is hardly in doubt: H(p) = -sum p log p <= threshold (DeeBERT, arXiv
/// 2004.12993). Costs the exit's logits and two exponentials for each.
struct entropy {
    static constexpr signal_set signals = signal::entropy;
    static constexpr safer safer_threshold = safer::lower;

    float threshold = 0.5f;  ///< nats; < 0 never exits

    decision operator()(const auto& s) const { return s.entropy() <= threshold ? decision::exit : decision::go_on; }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
