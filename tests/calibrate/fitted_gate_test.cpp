// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/fitted_gate.hpp>

#include <earlyout/exit/exit_weights.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

TEST_CASE("a fitted gate stores its tensors under its name", "[calibrate][fitted_gate]") {
    calibrate::fitted_gate gate;
    gate.gate = "mine";
    calibrate::fitted_linear map;
    map.outputs = 1;
    map.inputs = 2;
    map.weight = {3.0f, 4.0f};
    gate.add("2.", map);
    map.bias = {5.0f};
    gate.add("", map);
    eo::exit_weights exits("file");
    gate.store(exits);
    CHECK(exits.tensors().size() == 3);
    CHECK(exits.linear("mine.2").weight[1] == 4.0f);
    CHECK(exits.linear("mine.2").bias.empty());
    CHECK(exits.linear("mine").bias[0] == 5.0f);
}
