// EXPECT: earlyout: a gate declares what it reads: `static constexpr earlyout::signal_set signals = ...;`
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

namespace eo = earlyout;

struct my_gate {
#ifdef EARLYOUT_MUST_COMPILE
    static constexpr eo::signal_set signals = eo::no_signals;
#endif
    eo::decision operator()(const auto&) const { return eo::decision::exit; }
};

const auto plan = eo::exit_plan{eo::exit_layers{2, 4}, my_gate{}};
