// EXPECT: earlyout: an exit plan has one gate per layer; combine gates with and_then, all_of or any_of
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/combinators.hpp>
#include <earlyout/exit/gates/margin.hpp>

namespace eo = earlyout;

#ifdef EARLYOUT_MUST_COMPILE
const auto plan = eo::exit_plan{eo::after<2, 4>(eo::margin{}), eo::after<3>(eo::always_exit{})};
#else
const auto plan = eo::exit_plan{eo::after<2, 4>(eo::margin{}), eo::after<4>(eo::always_exit{})};
#endif
