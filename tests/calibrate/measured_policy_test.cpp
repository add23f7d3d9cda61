// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/measured_policy.hpp>

#include "support/catch.hpp"

namespace calibrate = earlyout::calibrate;

TEST_CASE("what was not measured is full depth, which loses and gains nothing", "[calibrate][measured_policy]") {
    const calibrate::measured_policy none{};
    CHECK(none.policy.is_full_depth());
    CHECK(none.speedup == 1.0);
    CHECK(none.loss == 0.0);
    CHECK_FALSE(none.is_timed);
    const calibrate::gate_choice choice{};
    CHECK_FALSE(choice.found);
    CHECK(choice.chosen.policy.is_full_depth());
}
