// EXPECT: earlyout: an exit plan consists of after<LAYERS...>(gate) parts, or of exit layers and one gate
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gates/margin.hpp>

namespace eo = earlyout;

#ifdef EARLYOUT_MUST_COMPILE
const eo::exit_plan plan{eo::after<3>(eo::margin{})};
#else
const eo::exit_plan plan{eo::margin{}};
#endif
