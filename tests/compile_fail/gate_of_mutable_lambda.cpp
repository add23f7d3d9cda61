// EXPECT: earlyout: make_gate takes a lambda of one parameter, `const auto&`, that is not mutable
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

namespace eo = earlyout;

#ifdef EARLYOUT_MUST_COMPILE
const auto my_gate = eo::make_gate<eo::no_signals>([](const auto&) { return eo::decision::exit; });
#else
const auto my_gate = eo::make_gate<eo::no_signals>([calls = 0](const auto&) mutable {
    ++calls;
    return eo::decision::exit;
});
#endif
