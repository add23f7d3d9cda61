// EXPECT: earlyout: a gate's states must fit any_gate::token_bytes and any_gate::sequence_bytes to be held
// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gate.hpp>

#include <array>

namespace eo = earlyout;

struct my_gate {
    static constexpr eo::signal_set signals = eo::signal::margin;
#ifdef EARLYOUT_MUST_COMPILE
    using token_state = std::array<std::byte, eo::any_gate::token_bytes>;
#else
    using token_state = std::array<std::byte, eo::any_gate::token_bytes + 1>;
#endif
    eo::decision operator()(const auto&, token_state&) const { return eo::decision::go_on; }
};

const auto plan = eo::any_gate{my_gate{}};
