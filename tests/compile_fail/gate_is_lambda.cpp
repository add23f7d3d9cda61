// EXPECT: earlyout::make_gate<signals>(lambda) makes a lambda one
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

namespace eo = earlyout;

constexpr auto leave = [](const auto&) { return eo::decision::exit; };

#ifdef EARLYOUT_MUST_COMPILE
const auto plan = eo::exit_plan{eo::after<3>(eo::make_gate<eo::no_signals>(leave))};
#else
const auto plan = eo::exit_plan{eo::after<3>(leave)};
#endif
