// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/gates/layer_gate.hpp>

#include "support/catch.hpp"

namespace calibrate = earlyout::calibrate;

TEST_CASE("a layer's gate starts empty", "[calibrate][layer_gate]") {
    const calibrate::fitted_layer_gate gate;
    CHECK(gate.layer == 0);
    CHECK(gate.map.weight.empty());
    CHECK(gate.before.size() == 0);
}
