// EXPECT: earlyout: this gate reads divergence() but does not declare signal::divergence in its `signals`
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

namespace eo = earlyout;

struct my_gate {
#ifdef EARLYOUT_MUST_COMPILE
    static constexpr eo::signal_set signals = eo::signal::divergence;
#else
    static constexpr eo::signal_set signals = eo::signal::logits;
#endif
    eo::decision operator()(const auto& s) const {
        return s.divergence() < 0.5f ? eo::decision::exit : eo::decision::go_on;
    }
};

const auto plan = eo::exit_plan{eo::after<3>(my_gate{})};
