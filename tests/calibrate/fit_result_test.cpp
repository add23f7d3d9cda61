// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/fit_result.hpp>

#include "support/catch.hpp"

namespace calibrate = earlyout::calibrate;

TEST_CASE("the best of a fit is the fastest that was found", "[calibrate][fit_result]") {
    calibrate::fit_result result;
    CHECK(result.best() == nullptr);
    const auto add = [&](const char* gate, bool found, double speedup) {
        calibrate::gate_choice choice;
        choice.gate = gate;
        choice.found = found;
        choice.chosen.speedup = speedup;
        result.choices.push_back(choice);
    };
    add("sec", true, 1.1);
    add("learn-to-exit", true, 1.3);
    add("mlp-router", false, 2.0);
    REQUIRE(result.best() != nullptr);
    CHECK(result.best()->gate == "learn-to-exit");
}
