// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/fit_linear.hpp>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

/// Inputs on scales a thousand apart and correlated, as residual streams are.
struct labelled_population {
    std::vector<float> rows;
    std::vector<std::uint8_t> label;

    labelled_population(std::size_t count, const std::vector<std::vector<double>>& w, const std::vector<double>& b) {
        std::mt19937 engine(7);
        std::normal_distribution<double> normal;
        std::uniform_real_distribution<double> uniform;
        for (std::size_t i = 0; i < count; ++i) {
            const double z[3] = {normal(engine), normal(engine), normal(engine)};
            const double x[3] = {1000.0 * z[0] + 300.0, z[1] + 0.5 * z[0], 0.1 * z[2] - 0.02 * z[1]};
            std::vector<double> p(w.size());
            double sum = 0.0;
            for (std::size_t c = 0; c < w.size(); ++c) {
                sum += p[c] = std::exp(w[c][0] * x[0] + w[c][1] * x[1] + w[c][2] * x[2] + b[c]);
            }
            double u = uniform(engine) * sum;
            std::size_t c = 0;
            while (c + 1 < w.size() && u >= p[c]) u -= p[c++];
            for (const double value : x) rows.push_back(static_cast<float>(value));
            label.push_back(static_cast<std::uint8_t>(c));
        }
    }
    [[nodiscard]] calibrate::labelled_rows part(double weight = 1.0) const { return {rows, label, weight}; }
};

}  // namespace

TEST_CASE("a logistic map is recovered", "[calibrate][fit_linear]") {
    const labelled_population people(40'000, {{0, 0, 0}, {0.002, -1.0, 5.0}}, {0.0, -0.5});
    const auto part = people.part();
    const auto fitted = calibrate::fit_linear({&part, 1}, 3, 2);
    REQUIRE(fitted.outputs == 1);
    CHECK_THAT(fitted.weight[0], WithinRel(0.002, 0.1));
    CHECK_THAT(fitted.weight[1], WithinRel(-1.0, 0.1));
    CHECK_THAT(fitted.weight[2], WithinRel(5.0, 0.1));
    CHECK_THAT(fitted.bias[0], WithinAbs(-0.5, 0.08));
    CHECK(fitted.loss < 0.5);
    CHECK(fitted.loss_before == std::log(2.0));
}

TEST_CASE("a softmax is recovered up to what is common to all classes", "[calibrate][fit_linear]") {
    const labelled_population people(60'000, {{0.001, 0, 0}, {-0.001, 1.0, 0}, {0, 0, 8.0}}, {0.2, 0.0, -0.4});
    const auto part = people.part();
    const auto fitted = calibrate::fit_linear({&part, 1}, 3, 3);
    REQUIRE(fitted.weight.size() == 9);
    CHECK_THAT(fitted.weight[0] - fitted.weight[3], WithinRel(0.002, 0.1));
    CHECK_THAT(fitted.weight[4] - fitted.weight[1], WithinRel(1.0, 0.1));
    CHECK_THAT(fitted.weight[8] - fitted.weight[2], WithinRel(8.0, 0.1));
    CHECK_THAT(fitted.bias[0] - fitted.bias[2], WithinAbs(0.6, 0.1));
}

TEST_CASE("without a bias the map goes through the origin", "[calibrate][fit_linear]") {
    const labelled_population people(30'000, {{0, 0, 0}, {0.001, 1.0, 0}}, {0.0, 0.0});
    const auto part = people.part();
    const auto fitted = calibrate::fit_linear({&part, 1}, 3, 2, {.bias = false});
    CHECK(fitted.bias.empty());
    CHECK_THAT(fitted.weight[0], WithinRel(0.001, 0.1));
    CHECK_THAT(fitted.weight[1], WithinRel(1.0, 0.1));
}

TEST_CASE("a part of weight two counts as two copies of it", "[calibrate][fit_linear]") {
    const labelled_population a(500, {{0, 0, 0}, {0.001, 1.0, 0}}, {0.0, 0.0});
    const labelled_population b(300, {{0, 0, 0}, {-0.001, 0.5, 3.0}}, {0.0, 0.3});
    const std::vector twice{a.part(), b.part(), b.part()};
    const std::vector heavy{a.part(), b.part(2.0)};
    const auto one = calibrate::fit_linear(twice, 3, 2, {.tolerance = 1e-9});
    const auto other = calibrate::fit_linear(heavy, 3, 2, {.tolerance = 1e-9});
    for (std::size_t i = 0; i < 3; ++i) CHECK_THAT(one.weight[i], WithinRel(other.weight[i], 0.02f));
    CHECK_THAT(one.loss, WithinRel(other.loss, 1e-4));
}

TEST_CASE("separable classes have finite weights", "[calibrate][fit_linear]") {
    const std::vector<float> rows{-2, -1, 1, 2};
    const std::vector<std::uint8_t> label{0, 0, 1, 1};
    const calibrate::labelled_rows part{rows, label};
    const auto fitted = calibrate::fit_linear({&part, 1}, 1, 2);
    CHECK(std::isfinite(fitted.weight[0]));
    CHECK(fitted.weight[0] > 1.0f);
    CHECK(fitted.loss < 0.05);
}

TEST_CASE("inputs that never change are harmless", "[calibrate][fit_linear]") {
    const std::vector<float> rows{3, -2, 3, -1, 3, 1, 3, 2};
    const std::vector<std::uint8_t> label{0, 1, 0, 1};
    const calibrate::labelled_rows part{rows, label};
    const auto fitted = calibrate::fit_linear({&part, 1}, 2, 2);
    for (const float w : fitted.weight) CHECK(std::isfinite(w));
}

TEST_CASE("rows that cannot be fitted to are refused", "[calibrate][fit_linear]") {
    using support::error_of;
    const std::vector<float> rows{1, 2, 3, std::numeric_limits<float>::infinity()};
    const std::vector<std::uint8_t> label{0, 1};
    const calibrate::labelled_rows infinite{rows, label};
    CHECK(error_of([&] {
              (void)calibrate::fit_linear({&infinite, 1}, 2, 2);
          }).message == "fit: expected finite numbers, found inf");
    CHECK(error_of([&] {
              (void)calibrate::fit_linear({&infinite, 1}, 3, 2);
          }).message == "fit: expected 2 rows of 3 numbers, found 4 numbers");
    const std::vector<std::uint8_t> beyond{0, 2};
    const calibrate::labelled_rows wrong{rows, beyond};
    CHECK(error_of([&] {
              (void)calibrate::fit_linear({&wrong, 1}, 2, 2);
          }).message == "fit: expected labels below 2, found 2");
    CHECK(error_of([&] { (void)calibrate::fit_linear({}, 2, 2); }).message ==
          "fit: expected rows to fit to, found none");
}
