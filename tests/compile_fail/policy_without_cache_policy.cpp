// EXPECT: earlyout: the third part of an exit_policy is a cache policy: propagate{}, defer{} or omit{}
// SPDX-License-Identifier: MIT
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/combinators.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/heads/shared_head.hpp>

namespace eo = earlyout;

#ifdef EARLYOUT_MUST_COMPILE
const auto policy = eo::exit_policy{eo::exit_plan{}, eo::shared_head{}, eo::propagate{}};
#else
const auto policy = eo::exit_policy{eo::exit_plan{}, eo::shared_head{}, eo::shared_head{}};
#endif
