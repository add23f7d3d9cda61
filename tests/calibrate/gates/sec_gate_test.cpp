// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/gates/sec_gate.hpp>

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

TEST_CASE("the three-way gate beats chance on what it was fitted to", "[calibrate][sec_gate]") {
    const auto seen = observe(4, 3000);
    for (const label_rule rule : {label_rule::paper, label_rule::right}) {
        const auto gate = calibrate::fit_sec_gate(seen, rule);
        CHECK(gate.outputs == 3);
        CHECK(gate.bias.empty());
        CHECK(gate.loss < gate.loss_before);
        const eo::sec_gate made(gate.view());
        CHECK_NOTHROW(made.check(support::small_network().shape()));
    }
}

TEST_CASE("a three-way gate for each exit does better than one for all", "[calibrate][sec_gate]") {
    const auto seen = observe(4, 3000);
    const auto shared = calibrate::fit_sec_gate(seen, label_rule::right);
    const auto each = calibrate::fit_sec_gates(seen, label_rule::right);
    REQUIRE(each.size() == 4);
    double weighted = 0.0;
    for (std::size_t e = 0; e < 4; ++e) weighted += each[e].loss * static_cast<double>(seen.layer(e)) / 13.0;
    CHECK(weighted < shared.loss);
}

TEST_CASE("a three-way gate's probabilities are calibrated by a temperature", "[calibrate][sec_gate]") {
    const auto seen = observe(4, 3000);
    const auto other = observe(8, 2000);
    for (const bool each : {false, true}) {
        auto gates = each ? calibrate::fit_sec_gates(seen, label_rule::right)
                          : std::vector{calibrate::fit_sec_gate(seen, label_rule::right)};
        const auto calibrated = calibrate::calibrate_sec_gates(gates, other, label_rule::right);
        REQUIRE(calibrated.size() == gates.size());
        const auto right = gates;
        for (auto& gate : gates) {
            for (float& w : gate.weight) w *= 3.0f;
            for (float& b : gate.bias) b *= 3.0f;
        }
        for (const double found : calibrate::calibrate_sec_gates(gates, other, label_rule::right)) {
            CHECK_THAT(found, Catch::Matchers::WithinAbs(3.0, 0.01));
        }
        for (std::size_t g = 0; g < gates.size(); ++g) {
            CHECK(gates[g].bias.empty() == !each);
            for (std::size_t i = 0; i < gates[g].weight.size(); ++i) {
                CHECK_THAT(gates[g].weight[i],
                           Catch::Matchers::WithinAbs(right[g].weight[i], 2e-3 * (1.0 + std::abs(right[g].weight[i]))));
            }
        }
    }
    std::vector<calibrate::fitted_linear> two(2);
    CHECK(support::error_of([&] { (void)calibrate::calibrate_sec_gates(two, other, label_rule::right); }).message ==
          "calibrate: expected 1 gate or 4, found 2");
}

TEST_CASE("sec_fit stores the tensors that the gate reads, shared or for each exit", "[calibrate][sec_gate]") {
    const auto seen = observe(4, 1500), other = observe(8, 800);
    for (const bool each : {false, true}) {
        calibrate::sec_fit fit;
        fit.each = each;
        const calibrate::fitted_gate made = fit({seen, other});
        REQUIRE(made.exits.size() == 4);
        CHECK(made.temperatures.size() == (each ? 4 : 1));
        CHECK(made.exits[3].layer == 6);
        for (const auto& exit : made.exits) {
            REQUIRE(exit.decisions.size() == 2);
            CHECK(exit.decisions[1].decision == "stop");
            CHECK(exit.decisions[0].after.size() == other.size());
        }
        eo::exit_weights exits;
        exits.set_model({6, 20, 97, "", "f32"});
        made.store(exits);
        CHECK_NOTHROW(eo::check_exits(exits));
        CHECK((exits.find("sec.weight") != nullptr) == !each);
        CHECK((exits.find("sec.4.weight") != nullptr) == each);
    }
    calibrate::sec_fit as_fitted;
    as_fitted.is_calibrated = false;
    const calibrate::fitted_gate made = as_fitted({seen, other});
    CHECK(made.temperatures.empty());
    CHECK(made.exits[0].decisions[0].before.brier_score() == made.exits[0].decisions[0].after.brier_score());
}
