// EXPECT: earlyout: a gate's token_state and sequence_state must be trivially copyable and default constructible, so
// that a rollback can restore them SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

#include <array>
#include <vector>

namespace eo = earlyout;

struct my_gate {
    static constexpr eo::signal_set signals = eo::signal::margin;
#ifdef EARLYOUT_MUST_COMPILE
    using sequence_state = std::array<float, 4>;
#else
    using sequence_state = std::vector<float>;
#endif
    eo::decision operator()(const auto& s, sequence_state& seen) const {
        return s.margin() > seen[0] ? eo::decision::exit : eo::decision::go_on;
    }
};

const auto plan = eo::exit_plan{eo::after<3>(my_gate{})};
