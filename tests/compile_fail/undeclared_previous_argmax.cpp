// EXPECT: earlyout: this gate reads previous_argmax() but does not declare signal::previous_argmax in its `signals`
// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

namespace eo = earlyout;

struct my_gate {
#ifdef EARLYOUT_MUST_COMPILE
    static constexpr eo::signal_set signals = eo::signal::previous_argmax;
#else
    static constexpr eo::signal_set signals = eo::signal::argmax;
#endif
    eo::decision operator()(const auto& s) const {
        return s.previous_argmax().has_value() ? eo::decision::exit : eo::decision::go_on;
    }
};

const auto plan = eo::exit_plan{eo::after<3>(my_gate{})};
