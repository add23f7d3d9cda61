// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_ORACLE_HPP
#define EARLYOUT_EXIT_GATES_ORACLE_HPP

#include <earlyout/exit/gate.hpp>

#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits at the first exit whose arg-max is the expected token: an upper bound on what any gate could save. For
/// analysis, since it is given the expected tokens: the true text, or full depth's output to exit at the first exit
/// that agrees with the last layer.
struct oracle {
    static constexpr signal_set signals = signal::argmax;

    /// expected[p] is the token that should follow position p; past its end the gate never exits.
    std::span<const token_id> expected;

    decision operator()(const auto& s) const {
        if (s.position() >= expected.size()) return decision::go_on;
        return s.argmax() == expected[s.position()] ? decision::exit : decision::go_on;
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
