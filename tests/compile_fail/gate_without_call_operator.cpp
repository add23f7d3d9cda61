// EXPECT: earlyout: a gate's operator() takes its signals, `const auto&` or
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

namespace eo = earlyout;

struct my_gate {
    static constexpr eo::signal_set signals = eo::no_signals;
#ifdef EARLYOUT_MUST_COMPILE
    eo::decision operator()(const auto&) const { return eo::decision::exit; }
#endif
};

const auto plan = eo::exit_plan{eo::after<3>(my_gate{})};
