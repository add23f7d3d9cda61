// EXPECT: earlyout: the first part of an exit_policy is an exit_plan, as in exit_plan{after<3>(gate)}
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/combinators.hpp>
#include <earlyout/exit/gates/margin.hpp>

namespace eo = earlyout;

#ifdef EARLYOUT_MUST_COMPILE
const auto policy = eo::exit_policy{eo::exit_plan{eo::after<3>(eo::margin{})}};
#else
const auto policy = eo::exit_policy{eo::after<3>(eo::margin{})};
#endif
