// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/gates/learn_to_exit.hpp>

#include <earlyout/exit/check_exits.hpp>

#include <cmath>
#include <vector>

#include "calibrate/observed.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;
using calibrate::label_rule;
using support::observe;

TEST_CASE("gates learn which exits agree with full depth", "[calibrate][learn_to_exit]") {
    const auto seen = observe(2, 6000);
    const auto other = observe(3, 3000);
    auto gates = calibrate::fit_learn_to_exit(seen, label_rule::agrees);
    REQUIRE(gates.size() == 3);
    CHECK(gates[2].layer == 4);
    calibrate::calibrate_learn_to_exit(gates, other, label_rule::agrees);
    for (const auto& gate : gates) {
        const double chance = gate.share_wrong * (1.0 - gate.share_wrong);  // Brier score of predicting the base rate
        CHECK(gate.after.brier_score() < chance);
        CHECK(gate.after.expected_calibration_error() < 0.05);
        CHECK(gate.after.expected_calibration_error() <= gate.before.expected_calibration_error() + 0.005);
    }

    const auto never = calibrate::simulate_exits(gates, other, -1.0f);
    CHECK(never.layers_skipped == 0.0);
    CHECK(never.agrees == 1.0);
    const auto always = calibrate::simulate_exits(gates, other, 1.0f);
    CHECK(always.layers_skipped > 0.8);
    double before = 0.0;
    for (const float threshold : {0.05f, 0.2f, 0.4f, 0.7f}) {
        const auto at = calibrate::simulate_exits(gates, other, threshold);
        CHECK(at.layers_skipped >= before);
        before = at.layers_skipped;
        CHECK(at.agrees > 1.0 - static_cast<double>(threshold) - 0.05);  // as promised by a calibrated error
    }
}

TEST_CASE("gates are calibrated on their own exits", "[calibrate][learn_to_exit]") {
    auto gates = calibrate::fit_learn_to_exit(observe(5, 200), label_rule::right);
    gates.pop_back();
    const auto seen = observe(6, 100);
    CHECK(support::error_of([&] { calibrate::calibrate_learn_to_exit(gates, seen, label_rule::right); }).message ==
          "calibrate: expected observations of 3 exits, found 4");
}

TEST_CASE("learn_to_exit_fit stores the tensors that the gate reads", "[calibrate][learn_to_exit]") {
    const auto seen = observe(2, 1500), other = observe(3, 800);
    const calibrate::fitted_gate made = calibrate::learn_to_exit_fit{}({seen, other});
    CHECK(made.gate == "learn-to-exit");
    REQUIRE(made.exits.size() == 3);
    CHECK(made.exits[2].layer == 4);
    REQUIRE(made.exits[0].decisions.size() == 1);
    CHECK(made.exits[0].decisions[0].decision == "wrong");
    CHECK(made.exits[0].decisions[0].after.size() == other.size());
    eo::exit_weights exits;
    exits.set_model({6, 20, 97, "", "f32"});
    made.store(exits);
    CHECK_NOTHROW(eo::check_exits(exits));
    const auto gate = eo::learn_to_exit::from(std::vector{0.1f}, exits);
    const auto by_hand = calibrate::fit_learn_to_exit(seen, label_rule::agrees);
    CHECK(*gate.predicted_error(2, seen.hidden(1, 5)) > 0.0f);
    CHECK(by_hand[1].map.loss == made.exits[1].loss);
    static_assert(calibrate::gate_fit<calibrate::learn_to_exit_fit>);
}
