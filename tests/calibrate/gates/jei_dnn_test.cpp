// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/gates/jei_dnn.hpp>
#include <earlyout/exit/gates/jei_dnn.hpp>

#include <earlyout/exit/check_exits.hpp>

#include <cmath>
#include <vector>

#include "calibrate/observed.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;
using support::observe;

TEST_CASE("JEI-DNN's gates learn where exiting costs least", "[calibrate][jei_dnn]") {
    const auto seen = observe(7, 4000);
    double before = -1.0;
    for (const double lambda : {0.0, 1.0, 100.0}) {
        const auto gates = calibrate::fit_jei_dnn(seen, lambda);
        REQUIRE(gates.size() == 3);
        CHECK(gates[1].share_wrong <= gates[0].share_wrong);  // tokens that should exit here should at the next
        for (const auto& gate : gates) {
            CHECK((gate.map.outputs == 1 && gate.map.inputs == 4));
            const double chance = gate.share_wrong < 1e-9 || gate.share_wrong > 1.0 - 1e-9
                                      ? 0.0
                                      : -gate.share_wrong * std::log(gate.share_wrong) -
                                            (1.0 - gate.share_wrong) * std::log(1.0 - gate.share_wrong);
            CHECK(gate.map.loss <= chance + 1e-3);
        }
        CHECK(1.0 - gates[0].share_wrong >= before);  // a larger lambda exits earlier
        before = 1.0 - gates[0].share_wrong;
        CHECK_NOTHROW(eo::jei_dnn({.outputs = 1, .inputs = 4, .weight = gates[0].map.weight, .bias = {}}));
    }
    CHECK(before == 1.0);

    // By hand: the first exit's target.
    std::size_t leaves = 0;
    for (std::size_t i = 0; i < seen.size(); ++i) {
        bool best = true;
        for (std::size_t e = 1; e < 4; ++e) {
            best = best && seen.cross_entropy(0, i) + 1.0f / 6.0f <=
                               seen.cross_entropy(e, i) + static_cast<float>(seen.layer(e)) / 6.0f;
        }
        leaves += best;
    }
    CHECK_THAT(1.0 - calibrate::fit_jei_dnn(seen, 1.0)[0].share_wrong,
               Catch::Matchers::WithinAbs(static_cast<double>(leaves) / static_cast<double>(seen.size()), 1e-3));
}

TEST_CASE("jei_dnn_fit makes what the gate reads", "[calibrate][jei_dnn]") {
    const auto seen = observe(7, 1500);
    const calibrate::fitted_gate made = calibrate::jei_dnn_fit{}({seen, seen});
    REQUIRE(made.exits.size() == 3);
    eo::exit_weights exits;
    exits.set_model({6, 20, 97, "", "f32"});
    made.store(exits);
    CHECK_NOTHROW(eo::check_exits(exits));
    CHECK(exits.linear("jei-dnn.4").inputs == 4);
    const auto by_hand = calibrate::fit_jei_dnn(seen, 0.3);
    CHECK(made.exits[1].decisions[0].share == 1.0 - by_hand[1].share_wrong);
}
