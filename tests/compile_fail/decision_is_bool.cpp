// EXPECT: earlyout: a gate's operator() must return earlyout::decision (go_on, exit or stop)
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

namespace eo = earlyout;

struct my_gate {
    static constexpr eo::signal_set signals = eo::signal::margin;
#ifdef EARLYOUT_MUST_COMPILE
    eo::decision operator()(const auto& s) const {
        return s.margin() > 0.9f ? eo::decision::exit : eo::decision::go_on;
    }
#else
    bool operator()(const auto& s) const { return s.margin() > 0.9f; }
#endif
};

const auto plan = eo::exit_plan{eo::after<3>(my_gate{})};
