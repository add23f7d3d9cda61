// EXPECT: earlyout: a gate's token_state and sequence_state must be trivially copyable and default constructible, so
// that a rollback can restore them SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

namespace eo = earlyout;

struct my_gate {
    static constexpr eo::signal_set signals = eo::signal::margin;
    struct token_state {
        int patience;
#ifndef EARLYOUT_MUST_COMPILE
        explicit token_state(int p) : patience(p) {}
#endif
    };
    eo::decision operator()(const auto& s, token_state& seen) const {
        return s.margin() > 0.9f && ++seen.patience > 1 ? eo::decision::exit : eo::decision::go_on;
    }
};

const auto plan = eo::exit_plan{eo::after<3>(my_gate{})};
