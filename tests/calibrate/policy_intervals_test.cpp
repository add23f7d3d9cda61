// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/policy_intervals.hpp>

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

/// A sample of a text of its own, with what full depth scores and what early exits keep of it.
void add(calibrate::paired_evaluation& to, std::vector<calibrate::sample>& samples, double full, double early,
         double seconds = 0.5) {
    const auto completed = [](double time, std::size_t layer) {
        eo::completion made;
        made.ids = {1, 2};
        made.stats.layers = 4;
        made.stats.exit_histogram.assign(5, 0);
        made.stats.exit_histogram[layer] = 11;
        made.stats.decode_seconds = time;
        made.stats.prefill_seconds = 1.0;
        return made;
    };
    to.full.rouge_l_of.push_back(full);
    to.early.rouge_l_of.push_back(early);
    to.full.results.push_back(completed(1.0, 4));
    to.early.results.push_back(completed(seconds, 2));
    to.full.layers = to.early.layers = 4;
    samples.push_back({{1}, {1, 2}, "text " + std::to_string(samples.size())});
}

}  // namespace

TEST_CASE("intervals contain what was measured", "[calibrate][policy_intervals]") {
    calibrate::paired_evaluation measured;
    std::vector<calibrate::sample> samples;
    std::mt19937 engine(1);
    for (int i = 0; i < 100; ++i) {
        const double full = 0.5 + 0.001 * static_cast<double>(engine() % 100);
        add(measured, samples, full, full - 0.0002 * static_cast<double>(engine() % 100),
            0.5 + 0.001 * static_cast<double>(engine() % 100));
    }
    double full = 0.0, early = 0.0;
    for (std::size_t i = 0; i < 100; ++i) {
        full += measured.full.rouge_l_of[i];
        early += measured.early.rouge_l_of[i];
    }
    const calibrate::policy_intervals found = calibrate::intervals_of(measured, samples);
    CHECK(found.rouge_l_loss.contains((full - early) / full));
    CHECK(found.rouge_l_loss.low > 0.0);
    CHECK(found.rouge_l_loss.high < 0.04);
    CHECK(found.decode_speedup.contains(measured.decode_speedup()));
    CHECK(found.decode_speedup.low > 1.5);
    CHECK(found.decode_speedup.high < 2.0);
    CHECK(found.request_speedup.contains(measured.request_speedup()));
    CHECK(found.layers_skipped == calibrate::interval{0.5, 0.5});
    CHECK(found.agreement == calibrate::interval{1.0, 1.0});
    CHECK_FALSE(found.stop_precision.is_known());
    samples.insert(samples.end(), 5, {{1}, {1, 2}, "not completed"});
    CHECK(calibrate::intervals_of(measured, samples).rouge_l_loss == found.rouge_l_loss);
    CHECK_FALSE(calibrate::intervals_of({}, samples).rouge_l_loss.is_known());
}

TEST_CASE("a loss that a few samples do not contain is not excluded", "[calibrate][policy_intervals]") {
    const auto high = [](std::size_t n) {
        calibrate::paired_evaluation measured;
        std::vector<calibrate::sample> samples;
        for (std::size_t i = 0; i < n; ++i) add(measured, samples, 0.5, 0.5);
        return calibrate::intervals_of(measured, samples).rouge_l_loss.high;
    };
    CHECK(high(60) > 0.03);  // 60 samples without a loss
    CHECK(high(60) < 0.08);
    CHECK(high(200) > 0.0105);
    CHECK(high(2 * calibrate::samples_to_show(0.011)) < 0.011);
    CHECK(calibrate::samples_to_show(0.011) == 273);
    CHECK(calibrate::samples_to_show(0.05) == 60);
}

TEST_CASE("intervals of a rare and large loss contain it as often as they say", "[calibrate][policy_intervals]") {
    // 2 % of the texts lose everything, of 150 that are seen.
    std::mt19937_64 engine(3);
    constexpr int experiments = 150;
    int covered = 0;
    for (int e = 0; e < experiments; ++e) {
        calibrate::paired_evaluation measured;
        std::vector<calibrate::sample> samples;
        for (int i = 0; i < 150; ++i) add(measured, samples, 0.5, engine() % 50 == 0 ? 0.0 : 0.5);
        covered +=
            calibrate::intervals_of(measured, samples, {.draws = 300, .seed = engine()}).rouge_l_loss.contains(0.02);
    }
    CHECK(covered >= 0.90 * experiments);  // 95 %, less 2.8 standard deviations
}

TEST_CASE("the samples that would support a loss", "[calibrate][policy_intervals]") {
    // Half as wide takes four times as many.
    CHECK(calibrate::samples_to_support(0.01, {-0.01, 0.03}, 0.02, 200) == 800);
    CHECK(calibrate::samples_to_support(0.0, {-0.001, 0.001}, 0.011, 100) == 273);
    CHECK(calibrate::samples_to_support(0.03, {0.0, 0.06}, 0.02, 200) == 0);
    CHECK(calibrate::samples_to_support(0.0, {}, 0.05, 3) == 60);
    CHECK(calibrate::samples_to_support(-0.01, {-0.02, 0.01}, 0.0, 200) == 0);
    CHECK(calibrate::samples_to_support(0.0199, {0.0, 0.06}, 0.02, 200) == 0);
}
