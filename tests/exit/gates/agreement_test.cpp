// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/agreement.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "exit/exit_point.hpp"
#include "exit/exit_walk.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;
using eo::decision;
using support::error_of;
using support::exit_walk;
using support::thrown;

TEST_CASE("agreement's features equal their formulas", "[exit][agreement]") {
    for (const double p1 : {0.2, 0.5, 0.9, 0.999}) {
        for (const double p2 : {0.001, 0.05, 0.15}) {
            if (p1 + p2 > 1.0) continue;
            const auto u = eo::agreement_features(static_cast<float>(p1), static_cast<float>(p1 - p2));
            CHECK_THAT(u[0], WithinAbs(std::log(p1 / (1.0 - p1)), 1e-3));
            CHECK_THAT(u[1], WithinAbs(std::log(p1 / p2), 1e-3));
            CHECK_THAT(u[2], WithinAbs(p1 - p2, 1e-6));
            CHECK_THAT(u[3], WithinAbs((p1 - p2) * (p1 - p2), 1e-6));
        }
    }
    // A certain prediction, and one among tokens that are all alike, are numbers too.
    for (const auto& u : {eo::agreement_features(1.0f, 1.0f), eo::agreement_features(0.0f, 0.0f)}) {
        for (const float value : u) CHECK(std::isfinite(value));
    }
}

TEST_CASE("agreement exits where the probability of its layer reaches the threshold", "[exit][agreement]") {
    support::random_source random(3);
    const std::vector<float> weight{0.4f, 0.3f, 1.0f, -0.2f}, bias{-0.5f}, none{0.0f, 0.0f, 0.0f, 0.0f}, low{-9.0f};
    const std::vector<eo::layer_weights> maps{{1, {1, 4, weight, bias}}, {3, {1, 4, none, low}}};
    for (int i = 0; i < 50; ++i) {
        const std::vector<float> logits = random.floats(20, 2.0f);
        std::vector<double> p = support::probabilities(logits);
        std::ranges::sort(p, std::greater{});
        const double m = p[0] - p[1];
        const double z = 0.4 * std::log(p[0] / (1.0 - p[0])) + 0.3 * std::log(p[0] / p[1]) + m - 0.2 * m * m - 0.5;
        const double expected = 1.0 / (1.0 + std::exp(-z));
        const eo::agreement gate(maps);
        const auto found = gate.probability(1, static_cast<float>(p[0]), static_cast<float>(m));
        REQUIRE(found);
        CHECK_THAT(*found, WithinAbs(expected, 1e-4));
        // The second layer has no weights, and the third none that would exit.
        exit_walk token({logits, logits, logits});
        const auto just_below = static_cast<float>(expected - 1e-3), just_above = static_cast<float>(expected + 1e-3);
        CHECK(token.ask(eo::agreement(maps, just_below)) ==
              std::vector<decision>{decision::exit, decision::go_on, decision::go_on});
        CHECK(token.ask(eo::agreement(maps, just_above)) ==
              std::vector<decision>{decision::go_on, decision::go_on, decision::go_on});
    }
}

TEST_CASE("agreement refuses weights that are not its own", "[exit][agreement]") {
    const std::vector<float> three{1.0f, 2.0f, 3.0f}, four{1.0f, 2.0f, 3.0f, 4.0f};
    CHECK(error_of([&] {
              eo::agreement({{1, {1, 3, three, {}}}});
          }) == thrown(eo::errc::wrong_shape, {"agreement", "layer 1", "4 inputs", "3"}));
    CHECK(error_of([&] { eo::agreement(std::vector<eo::layer_weights>{}); }) ==
          thrown(eo::errc::invalid_argument, {"agreement", "found none"}));
    const eo::agreement deep({{9, {1, 4, four, {}}}});
    CHECK(error_of([&] { deep.check({.layers = 8, .d_model = 4}); }) ==
          thrown(eo::errc::mismatch, {"agreement", "9 layers", "8"}));
    const eo::exit_weights nothing("file");
    const std::vector<float> values{0.9f};
    CHECK(error_of([&] { (void)eo::agreement::from(values, nothing); }) ==
          thrown(eo::errc::missing_tensor, {"file", "agreement.LAYER.weight"}));
}
