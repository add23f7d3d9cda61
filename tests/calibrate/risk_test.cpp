// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/risk.hpp>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace calibrate = earlyout::calibrate;
using calibrate::sample_losses;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
using support::error_of;

namespace {

/// Three standard deviations of the observed share of an event of probability `p` in `trials` trials.
double tolerance(double p, int trials) { return 3.0 * std::sqrt(p * (1.0 - p) / trials); }

/// Samples of a population: configuration c loses `size` with probability risks[c] / size; bolder ones lose where
/// safer ones do.
std::vector<sample_losses> draw(std::mt19937& engine, const std::vector<double>& risks, std::size_t n, double size) {
    std::uniform_real_distribution<double> uniform;
    std::vector<sample_losses> all(risks.size(), sample_losses(n));
    for (std::size_t i = 0; i < n; ++i) {
        const double u = uniform(engine);
        for (std::size_t c = 0; c < risks.size(); ++c) all[c][i] = u < risks[c] / size ? size : 0.0;
    }
    return all;
}

}  // namespace

TEST_CASE("p-values against sums computed by hand", "[calibrate][risk]") {
    CHECK_THAT(calibrate::binomial_p_value(0, 10, 0.1), WithinRel(std::pow(0.9, 10), 1e-12));
    CHECK_THAT(calibrate::binomial_p_value(1, 3, 0.5), WithinRel(0.5, 1e-12));
    CHECK(calibrate::binomial_p_value(3, 3, 0.5) == 1.0);
    // r = 0: KL(0 || eps) = -log(1 - eps), so Hoeffding gives (1 - eps)^n and Bentkus e times that.
    CHECK_THAT(calibrate::hoeffding_bentkus_p_value(0.0, 50, 0.05), WithinRel(std::pow(0.95, 50), 1e-12));
    CHECK(calibrate::hoeffding_bentkus_p_value(0.06, 50, 0.05) == 1.0);
    const double hoeffding = std::exp(-200 * (0.1 * std::log(0.5) + 0.9 * std::log(0.9 / 0.8)));
    const double bentkus = std::exp(1.0) * calibrate::binomial_p_value(20, 200, 0.2);
    CHECK(bentkus < hoeffding);
    CHECK_THAT(calibrate::hoeffding_bentkus_p_value(0.1, 200, 0.2), WithinRel(bentkus, 1e-12));
}

TEST_CASE("samples that a guarantee needs", "[calibrate][risk]") {
    CHECK(calibrate::samples_needed(0.01, 0.1) == 230);  // .99^229 = .1001
    // Hoeffding's bound alone: log(10) / KL(.005 || .01) = 1489; Bentkus' is tighter just after a whole loss more.
    const std::size_t needed = calibrate::samples_needed(0.01, 0.1, 0.005);
    CHECK(needed <= 1490);
    CHECK(needed > 1300);
    CHECK(calibrate::samples_needed(0.01, 0.1, 0.01) == 0);
}

TEST_CASE("a risk above eps is accepted no more often than delta", "[calibrate][risk]") {
    constexpr int trials = 2000;
    constexpr double eps = 0.1;
    constexpr double delta = 0.1;
    std::mt19937 engine(11);
    // The third and later configurations exceed eps, the third just so.
    const std::vector<double> risks{0.02, 0.05, 0.101, 0.15, 0.3};
    for (const double size : {1.0, 0.5}) {  // 0/1 losses, and smaller ones
        INFO("losses of " << size);
        int exceeded = 0;
        int used = 0;
        for (int t = 0; t < trials; ++t) {
            const auto result = calibrate::learn_then_test(draw(engine, risks, 300, size), eps, delta);
            CHECK(result.exact == (size == 1.0));
            exceeded += result.chosen && *result.chosen >= 2;
            used += result.chosen && *result.chosen >= 1;
        }
        CHECK(exceeded <= (delta + tolerance(delta, trials)) * trials);
        CHECK(used > 0.8 * trials);  // and the safe ones do get through
    }
}

TEST_CASE("a risk exactly at eps exhausts the exact test's level", "[calibrate][risk]") {
    constexpr int trials = 2000;
    std::mt19937 engine(12);
    int accepted = 0;
    for (int t = 0; t < trials; ++t) {
        accepted += calibrate::learn_then_test(draw(engine, {0.2}, 500, 1.0), 0.2, 0.1).chosen.has_value();
    }
    const double share = static_cast<double>(accepted) / trials;
    CHECK(share <= 0.1 + tolerance(0.1, trials));
    CHECK(share >= 0.05);
}

TEST_CASE("the test ends at the first configuration that does not pass", "[calibrate][risk]") {
    const std::vector<sample_losses> all{sample_losses(400, 0.0), sample_losses(400, 1.0), sample_losses(400, 0.0)};
    const auto result = calibrate::learn_then_test(all, 0.05, 0.1);
    CHECK(result.chosen == 0u);
    CHECK(result.configurations.size() == 2);
    CHECK(result.configurations[1].risk == 1.0);
    CHECK_FALSE(calibrate::learn_then_test({&all[1], 1}, 0.05, 0.1).chosen.has_value());
}

TEST_CASE("conformal risk control keeps the expected risk", "[calibrate][risk]") {
    constexpr int trials = 3000;
    constexpr double eps = 0.1;
    std::mt19937 engine(13);
    const std::vector<double> risks{0.01, 0.03, 0.06, 0.09, 0.12, 0.2, 0.4};
    double sum = 0.0;
    for (int t = 0; t < trials; ++t) {
        const auto result = calibrate::control_expected_risk(draw(engine, risks, 60, 1.0), eps);
        if (result.chosen) sum += risks[*result.chosen];
    }
    CHECK(sum / trials <= eps + 0.003);
    CHECK(sum / trials >= 0.5 * eps);

    // A sample that a bolder configuration happens to get correct again still counts as lost.
    const std::vector<sample_losses> back{{0, 1, 0, 0}, {0, 0, 0, 0}};
    CHECK(calibrate::control_expected_risk(back, 0.45).chosen == 1u);
    CHECK(calibrate::control_expected_risk(back, 0.45).configurations[1].risk == 0.25);

    for (const double level : {0.01, 0.1, 0.3, 0.5}) {
        const std::size_t needed = calibrate::samples_for_expectation(level);
        const std::vector<sample_losses> enough{sample_losses(needed, 0.0)};
        const std::vector<sample_losses> too_few{sample_losses(needed - 1, 0.0)};
        CHECK(calibrate::control_expected_risk(enough, level).chosen == 0u);
        if (needed > 1) CHECK_FALSE(calibrate::control_expected_risk(too_few, level).chosen.has_value());
    }
}

TEST_CASE("invalid risks are refused", "[calibrate][risk]") {
    const std::vector<sample_losses> good{{0, 1}, {1, 1}};
    CHECK(error_of([&] { (void)calibrate::learn_then_test(good, 0.0, 0.1); }).message ==
          "risk: expected eps between 0 and 1, found 0");
    CHECK(error_of([&] { (void)calibrate::learn_then_test(good, 0.1, 1.0); }).message ==
          "risk: expected delta between 0 and 1, found 1");
    const std::vector<sample_losses> uneven{{0, 1}, {1}};
    CHECK(error_of([&] { (void)calibrate::learn_then_test(uneven, 0.1, 0.1); }).message ==
          "risk: expected the losses of 2 samples, at least one, for every configuration, found 1");
    const std::vector<sample_losses> beyond{{0.5, 1.5}};
    CHECK(error_of([&] { (void)calibrate::control_expected_risk(beyond, 0.1); }).message ==
          "risk: expected losses from 0 to 1, found 1.5");
    const std::vector<sample_losses> none{{}};
    CHECK(error_of([&] { (void)calibrate::learn_then_test(none, 0.1, 0.1); }).code == "invalid_argument");
    CHECK(error_of([] {
              const std::vector<sample_losses> undefined{{std::nan("")}};
              (void)calibrate::learn_then_test(undefined, 0.1, 0.1);
          }).code == "wrong_value");
}
