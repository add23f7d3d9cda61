// SPDX-License-Identifier: MIT
#include <earlyout/exit/gate_info.hpp>

#include <earlyout/exit/gates/sec_gate.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a gate describes its parameters where it is defined", "[exit][gate_info]") {
    constexpr const eo::gate_info& info = eo::sec_gate::info;
    REQUIRE(info.parameters.size() == 2);
    CHECK(info.parameters[0].name == "exit");
    CHECK(info.parameters[1].name == "stop");
    CHECK(info.parameters[1].otherwise == 1.0f);
    CHECK(info.tensors.size() == 2);
    const eo::gate_parameter plain{.name = "x", .meaning = "", .comparison = ""};
    CHECK(plain.min == 0.0f);
    CHECK(plain.max == 1.0f);
    CHECK(plain.grid.empty());
    CHECK(plain.direction == eo::threshold_direction::higher_is_conservative);
}
