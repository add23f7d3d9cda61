// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/reliability.hpp>

#include <cmath>
#include <limits>
#include <random>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace calibrate = earlyout::calibrate;
using Catch::Matchers::WithinAbs;

namespace {

/// Predicts sigmoid(scale * x + offset) of an event with probability sigmoid(x).
calibrate::reliability simulate(double scale, double offset) {
    std::mt19937 engine(3);
    std::normal_distribution<double> normal(0.0, 1.5);
    std::uniform_real_distribution<double> uniform;
    const auto sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
    calibrate::reliability seen;
    for (int i = 0; i < 40'000; ++i) {
        const double x = normal(engine);
        seen.add(sigmoid(scale * x + offset), uniform(engine) < sigmoid(x));
    }
    return seen;
}

}  // namespace

TEST_CASE("calibrated probabilities are reported as such and not changed", "[calibrate][reliability]") {
    const calibrate::reliability seen = simulate(1.0, 0.0);
    CHECK(seen.expected_calibration_error() < 0.01);
    const calibrate::platt_scaling found = seen.fit_platt();
    CHECK_THAT(found.scale, WithinAbs(1.0, 0.03));
    CHECK_THAT(found.offset, WithinAbs(0.0, 0.03));
}

TEST_CASE("overconfidence and a shift are found", "[calibrate][reliability]") {
    const calibrate::reliability seen = simulate(2.0, 1.0);
    CHECK(seen.expected_calibration_error() > 0.08);
    const calibrate::platt_scaling found = seen.fit_platt();
    CHECK_THAT(found.scale, WithinAbs(0.5, 0.02));
    CHECK_THAT(found.offset, WithinAbs(-0.5, 0.03));
}

TEST_CASE("bins, error and score of a few predictions", "[calibrate][reliability]") {
    calibrate::reliability seen;
    seen.add(0.05, false);
    seen.add(0.05, true);
    seen.add(1.0, true);
    const auto bins = seen.bins(10);
    REQUIRE(bins.size() == 10);
    CHECK(bins[0].count == 2);
    CHECK_THAT(bins[0].observed, WithinAbs(0.5, 1e-9));
    CHECK(bins[9].count == 1);
    CHECK_THAT(seen.expected_calibration_error(), WithinAbs(2.0 / 3.0 * 0.45, 1e-6));
    CHECK_THAT(seen.brier_score(), WithinAbs((0.0025 + 0.9025) / 3.0, 1e-6));
}

TEST_CASE("scaling without both outcomes is the identity; an invalid probability is refused",
          "[calibrate][reliability]") {
    calibrate::reliability seen;
    CHECK(seen.fit_platt().scale == 1.0);
    CHECK(seen.brier_score() == 0.0);
    seen.add(0.3, true);
    seen.add(1.0, true);
    CHECK(seen.fit_platt().offset == 0.0);
    CHECK(support::error_of([&] { seen.add(1.5, true); }).message == "reliability: expected a probability, found 1.5");
    CHECK(support::error_of([&] { seen.add(std::nan(""), true); }).code == "wrong_value");
}
