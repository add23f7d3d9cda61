// EXPECT: earlyout: the second part of an exit_policy is an exit head, such as shared_head{}
// SPDX-License-Identifier: MIT
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/combinators.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/heads/shared_head.hpp>

namespace eo = earlyout;

#ifdef EARLYOUT_MUST_COMPILE
const auto policy = eo::exit_policy{eo::exit_plan{}, eo::shared_head{}, eo::defer{}};
#else
const auto policy = eo::exit_policy{eo::exit_plan{}, eo::defer{}};
#endif
