// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/cluster_bootstrap.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

using indices = std::span<const std::size_t>;

struct named {
    std::string name;
};

double mean_of(const std::vector<double>& values, indices of) {
    double sum = 0.0;
    for (const std::size_t i : of) sum += values[i];
    return sum / static_cast<double>(of.size());
}

/// A population of texts, each of which shifts all of its samples.
struct population {
    std::size_t texts;
    std::size_t samples_per_text;
    double between;  ///< standard deviation of texts
    double within;   ///< of samples in a text
};

/// Returns how often an interval of the mean, which is 0, contains it.
double coverage(const population& of, std::size_t experiments, double level) {
    std::mt19937_64 engine(5);
    std::normal_distribution<double> normal;
    std::size_t covered = 0;
    for (std::size_t e = 0; e < experiments; ++e) {
        std::vector<double> values;
        calibrate::sample_clusters clusters(of.texts);
        for (std::size_t t = 0; t < of.texts; ++t) {
            const double shift = of.between * normal(engine);
            for (std::size_t s = 0; s < of.samples_per_text; ++s) {
                clusters[t].push_back(values.size());
                values.push_back(shift + of.within * normal(engine));
            }
        }
        const calibrate::interval found =
            calibrate::cluster_bootstrap(clusters, [&](indices drawn) { return mean_of(values, drawn); },
                                         {.level = level, .draws = 300, .seed = engine()});
        covered += found.contains(0.0);
    }
    return static_cast<double>(covered) / static_cast<double>(experiments);
}

}  // namespace

TEST_CASE("intervals contain the mean as often as they say", "[calibrate][cluster_bootstrap]") {
    constexpr std::size_t experiments = 600;  // a standard deviation of .9 % at 95 %
    for (const population& of :
         {population{60, 1, 1.0, 0.0}, population{30, 6, 1.0, 1.0}, population{8, 5, 1.0, 0.3}}) {
        INFO(of.texts << " texts");
        const double at95 = coverage(of, experiments, 0.95);
        CHECK(at95 >= 0.92);
        CHECK(at95 <= 0.985);
    }
    const double at80 = coverage({20, 3, 1.0, 1.0}, experiments, 0.8);
    CHECK(at80 >= 0.75);
    CHECK(at80 <= 0.86);
}

TEST_CASE("samples that are drawn one by one make intervals of correlated texts too narrow",
          "[calibrate][cluster_bootstrap]") {
    // What clusters are for: the same values, each a cluster of its own.
    std::mt19937_64 engine(6);
    std::normal_distribution<double> normal;
    std::vector<double> values;
    calibrate::sample_clusters texts(20), single;
    for (auto& text : texts) {
        const double shift = normal(engine);
        for (int s = 0; s < 10; ++s) {
            text.push_back(values.size());
            single.push_back({values.size()});
            values.push_back(shift);
        }
    }
    const auto statistic = [&](indices of) { return mean_of(values, of); };
    const calibrate::interval right = calibrate::cluster_bootstrap(texts, statistic);
    const calibrate::interval wrong = calibrate::cluster_bootstrap(single, statistic);
    CHECK(right.high - right.low > 2.0 * (wrong.high - wrong.low));
    CHECK(right == calibrate::cluster_bootstrap(texts, statistic));  // the same seed
    CHECK(right.contains(mean_of(values, std::vector<std::size_t>{0, 50, 100})) ==
          (right.low <= mean_of(values, std::vector<std::size_t>{0, 50, 100}) &&
           mean_of(values, std::vector<std::size_t>{0, 50, 100}) <= right.high));
}

TEST_CASE("what cannot be known has no interval", "[calibrate][cluster_bootstrap]") {
    const auto constant = [](indices) { return 2.0; };
    CHECK_FALSE(calibrate::cluster_bootstrap({}, constant).is_known());
    CHECK_FALSE(calibrate::cluster_bootstrap({{0, 1, 2}}, constant).is_known());
    CHECK(calibrate::cluster_bootstrap({{0}, {1}}, constant) == calibrate::interval{2.0, 2.0});
    CHECK_FALSE(calibrate::cluster_bootstrap({{0}, {1}}, [](indices) { return std::nan(""); }).is_known());
    // Draws without a value are left away as long as most have one.
    const auto sometimes = [](indices of) {
        return of[0] == of[1] ? std::numeric_limits<double>::infinity() : static_cast<double>(of.size());
    };
    CHECK(calibrate::cluster_bootstrap({{0}, {1}, {2}, {3}}, sometimes) == calibrate::interval{4.0, 4.0});
    CHECK(calibrate::interval{}.contains(1e300));
    CHECK(support::error_of([&] {
              (void)calibrate::cluster_bootstrap({{0}, {1}}, constant, {.level = 1.0});
          }) == support::thrown(eo::errc::invalid_argument, {"level between 0 and 1", "found 1"}));
}

TEST_CASE("samples of a text belong together", "[calibrate][cluster_bootstrap]") {
    const std::vector<named> samples{{"a"}, {"b"}, {"a"}, {"c"}, {"b"}};
    CHECK(calibrate::clusters_of(samples) == calibrate::sample_clusters{{0, 2}, {1, 4}, {3}});
    CHECK(calibrate::clusters_of(std::vector<named>{}).empty());
}
