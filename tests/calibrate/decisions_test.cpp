// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/decisions.hpp>

#include "support/catch.hpp"

using Catch::Matchers::WithinAbs;
namespace calibrate = earlyout::calibrate;

TEST_CASE("a decision is counted at every threshold", "[calibrate][decisions]") {
    calibrate::decision_sweep sweep("margin", "exit", {0.2f, 0.5f, 0.8f});
    const auto add = [&](float score, bool actual) { sweep.add([score](float t) { return score >= t; }, actual); };
    add(0.1f, true);
    add(0.3f, false);
    add(0.5f, true);
    add(0.9f, true);
    add(0.9f, false);
    // At 0.2: four predicted positives, two of them true, one missed. At 0.5: three, two. At 0.8: two, one, and two
    // missed.
    CHECK_THAT(sweep.counts[0].precision(), WithinAbs(0.5, 1e-12));
    CHECK_THAT(sweep.counts[0].recall(), WithinAbs(2.0 / 3.0, 1e-12));
    CHECK_THAT(sweep.counts[1].precision(), WithinAbs(2.0 / 3.0, 1e-12));
    CHECK_THAT(sweep.counts[1].f1(), WithinAbs(2.0 / 3.0, 1e-12));
    CHECK_THAT(sweep.counts[2].precision(), WithinAbs(0.5, 1e-12));
    CHECK_THAT(sweep.counts[2].recall(), WithinAbs(1.0 / 3.0, 1e-12));
    CHECK_THAT(sweep.counts[2].f1(), WithinAbs(0.4, 1e-12));
}
