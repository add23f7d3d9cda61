// EXPECT: earlyout: this gate reads entropy() but does not declare signal::entropy in its `signals`
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

namespace eo = earlyout;

#ifdef EARLYOUT_MUST_COMPILE
constexpr eo::signal_set declared = eo::signal::margin | eo::signal::entropy;
#else
constexpr eo::signal_set declared = eo::signal::margin;
#endif
const auto my_gate = eo::make_gate<declared>(
    [](const auto& s) { return s.margin() > 0.9f || s.entropy() < 0.1f ? eo::decision::exit : eo::decision::go_on; });
