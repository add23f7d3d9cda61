// EXPECT: earlyout: after<...> takes layers numbered from 1, as in after<3>(gate)
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/combinators.hpp>
#include <earlyout/exit/gates/margin.hpp>

namespace eo = earlyout;

#ifdef EARLYOUT_MUST_COMPILE
const auto plan = eo::exit_plan{eo::after<1, 2>(eo::margin{})};
#else
const auto plan = eo::exit_plan{eo::after<0, 2>(eo::margin{})};
#endif
