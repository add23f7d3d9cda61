// EXPECT: earlyout: this gate reads max_probability() but does not declare signal::max_probability in its `signals`
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

namespace eo = earlyout;

struct my_gate {
#ifdef EARLYOUT_MUST_COMPILE
    static constexpr eo::signal_set signals = eo::signal::max_probability;
#else
    static constexpr eo::signal_set signals = eo::signal::margin;
#endif
    eo::decision operator()(const auto& s) const {
        return s.max_probability() > 0.9f ? eo::decision::exit : eo::decision::go_on;
    }
};

const auto plan = eo::exit_plan{eo::after<3>(my_gate{})};
