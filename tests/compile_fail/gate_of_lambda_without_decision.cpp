// EXPECT: earlyout: the lambda of a gate must return earlyout::decision (go_on, exit or stop)
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

namespace eo = earlyout;

#ifdef EARLYOUT_MUST_COMPILE
const auto my_gate = eo::make_gate<eo::signal::margin>(
    [](const auto& s) { return s.margin() > 0.9f ? eo::decision::exit : eo::decision::go_on; });
#else
const auto my_gate = eo::make_gate<eo::signal::margin>([](const auto& s) { return s.margin() > 0.9f; });
#endif
