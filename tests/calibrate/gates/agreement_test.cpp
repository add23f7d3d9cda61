// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/gates/agreement.hpp>

#include <earlyout/exit/check_exits.hpp>
#include <earlyout/exit/gates/agreement.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "calibrate/observed.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;
using support::observe;

TEST_CASE("agreement_fit makes what the gate reads, calibrated on other text", "[calibrate][agreement]") {
    const auto seen = observe(7, 4000), other = observe(8, 2000);
    const calibrate::fitted_gate made = calibrate::agreement_fit{}({seen, other});
    REQUIRE(made.exits.size() == 3);
    eo::exit_weights exits;
    exits.set_model({6, 20, 97, "", "f32"});
    made.store(exits);
    CHECK_NOTHROW(eo::check_exits(exits));
    const std::vector<float> values{0.9f};
    const auto gate = eo::agreement::from(values, exits);
    for (std::size_t e = 0; e < 3; ++e) {
        INFO(made.exits[e].layer);
        double agrees = 0.0, predicted = 0.0;
        for (std::size_t i = 0; i < other.size(); ++i) {
            agrees += other.agrees(e, i);
            predicted += *gate.probability(other.layer(e), other.max_probability(e, i), other.margin(e, i));
        }
        const calibrate::gate_calibration& d = made.exits[e].decisions[0];
        CHECK(d.decision == "exit");
        CHECK(d.share == Approx(agrees / static_cast<double>(other.size())));
        // On the text that it was scaled on, the mean probability is the share.
        CHECK(predicted / static_cast<double>(other.size()) == Approx(d.share).margin(5e-3));
        CHECK(d.after.brier_score() <= d.before.brier_score() + 1e-4);
        // No worse than a constant.
        CHECK(d.after.brier_score() <= d.share * (1.0 - d.share) + 1e-3);
    }
}
