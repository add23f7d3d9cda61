// EXPECT: earlyout: the third part of an exit_policy is a cache policy: propagate{}, defer{} or omit{}
// SPDX-License-Identifier: MIT
#include <earlyout/exit/always.hpp>
#include <earlyout/exit/combinators.hpp>
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/margin.hpp>

namespace eo = earlyout;

#ifdef EARLYOUT_MUST_COMPILE
const auto policy = eo::exit_policy{eo::exit_plan{}, eo::shared_head{}, eo::propagate{}};
#else
const auto policy = eo::exit_policy{eo::exit_plan{}, eo::shared_head{}, eo::shared_head{}};
#endif
