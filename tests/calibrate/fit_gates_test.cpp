// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/fit_gates.hpp>

#include <earlyout/core/executor.hpp>

#include <cmath>
#include <random>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;
using calibrate::label_rule;

namespace {

calibrate::kept_observations observe(std::uint32_t seed, std::size_t tokens, std::size_t keep_every = 1) {
    const auto& network = support::small_network();
    eo::inline_executor on;
    calibrate::collector collector(network, {1, 2, 4}, 32, on);
    std::mt19937 engine(seed);
    const std::vector<calibrate::corpus_text> texts{{"random", seed, support::random_prompt(engine, tokens)}};
    calibrate::kept_observations kept(keep_every);
    REQUIRE(collector.run(texts, [&](const calibrate::window_observation& w) { kept.add(w); }));
    return kept;
}

}  // namespace

TEST_CASE("kept observations are every n-th of those seen", "[calibrate][kept_observations]") {
    const auto all = observe(1, 97);
    const auto some = observe(1, 97, 5);
    REQUIRE(all.exit_count() == 4);
    CHECK(all.layer(3) == support::small_network().shape().layers);
    REQUIRE(some.size() == (all.size() + 4) / 5);
    for (std::size_t i = 0; i < some.size(); ++i) {
        CHECK(some.truth(i) == all.truth(5 * i));
        for (std::size_t e = 0; e < 4; ++e) {
            CHECK(some.argmax(e, i) == all.argmax(e, 5 * i));
            CHECK(std::ranges::equal(some.hidden(e, i), all.hidden(e, 5 * i)));
            CHECK(some.margin(e, i) == all.margin(e, 5 * i));
        }
    }
    using kept = calibrate::kept_observations;
    CHECK(kept::keep_every_within(1 << 20, 10, 4, 16) == 1);
    const std::size_t n = kept::keep_every_within(1 << 20, 100'000, 4, 16);
    CHECK(100'000 / n * kept::bytes_of_token(4, 16) <= 1 << 20);
}

TEST_CASE("gates learn which exits agree with full depth", "[calibrate][fit_gates]") {
    const auto seen = observe(2, 6000);
    const auto other = observe(3, 3000);
    auto gates = calibrate::fit_learn_to_exit(seen, label_rule::agrees);
    REQUIRE(gates.size() == 3);
    CHECK(gates[2].layer == 4);
    calibrate::calibrate_gates(gates, other, label_rule::agrees);
    for (const auto& gate : gates) {
        const double chance = gate.share_wrong * (1.0 - gate.share_wrong);  // Brier score of knowing the share alone
        CHECK(gate.after.brier_score() < chance);
        CHECK(gate.after.expected_calibration_error() < 0.05);
        CHECK(gate.after.expected_calibration_error() <= gate.before.expected_calibration_error() + 0.005);
    }

    const auto never = calibrate::walk(gates, other, -1.0f);
    CHECK(never.layers_skipped == 0.0);
    CHECK(never.agrees == 1.0);
    const auto always = calibrate::walk(gates, other, 1.0f);
    CHECK(always.layers_skipped > 0.8);
    double before = 0.0;
    for (const float threshold : {0.05f, 0.2f, 0.4f, 0.7f}) {
        const auto at = calibrate::walk(gates, other, threshold);
        CHECK(at.layers_skipped >= before);
        before = at.layers_skipped;
        CHECK(at.agrees > 1.0 - static_cast<double>(threshold) - 0.05);  // what a calibrated error promises
    }
}

TEST_CASE("the three-way gate beats chance on what it was fitted to", "[calibrate][fit_gates]") {
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

TEST_CASE("a three-way gate for each exit does better than one for all", "[calibrate][fit_gates]") {
    const auto seen = observe(4, 3000);
    const auto shared = calibrate::fit_sec_gate(seen, label_rule::right);
    const auto each = calibrate::fit_sec_gates(seen, label_rule::right);
    REQUIRE(each.size() == 4);
    double weighted = 0.0;
    for (std::size_t e = 0; e < 4; ++e) weighted += each[e].loss * static_cast<double>(seen.layer(e)) / 13.0;
    CHECK(weighted < shared.loss);
}

TEST_CASE("a three-way gate's probabilities are calibrated by a temperature", "[calibrate][fit_gates]") {
    const auto seen = observe(4, 3000);
    const auto other = observe(8, 2000);
    for (const bool each : {false, true}) {
        auto gates = each ? calibrate::fit_sec_gates(seen, label_rule::right)
                          : std::vector{calibrate::fit_sec_gate(seen, label_rule::right)};
        const auto honest = calibrate::calibrate_sec_gates(gates, other, label_rule::right);
        REQUIRE(honest.size() == gates.size());
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

TEST_CASE("JEI-DNN's gates learn where leaving costs least", "[calibrate][fit_gates]") {
    const auto seen = observe(7, 4000);
    double before = -1.0;
    for (const double lambda : {0.0, 1.0, 100.0}) {
        const auto gates = calibrate::fit_jei_dnn(seen, lambda);
        REQUIRE(gates.size() == 3);
        CHECK(gates[1].share_wrong <= gates[0].share_wrong);  // who is to leave at one is to leave at the next
        for (const auto& gate : gates) {
            CHECK((gate.map.outputs == 1 && gate.map.inputs == 4));
            const double chance = gate.share_wrong < 1e-9 || gate.share_wrong > 1.0 - 1e-9
                                      ? 0.0
                                      : -gate.share_wrong * std::log(gate.share_wrong) -
                                            (1.0 - gate.share_wrong) * std::log(1.0 - gate.share_wrong);
            CHECK(gate.map.loss <= chance + 1e-3);
        }
        CHECK(1.0 - gates[0].share_wrong >= before);  // a larger lambda leaves earlier
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

TEST_CASE("gates are calibrated on their own exits", "[calibrate][fit_gates]") {
    auto gates = calibrate::fit_learn_to_exit(observe(5, 200), label_rule::right);
    gates.pop_back();
    const auto seen = observe(6, 100);
    CHECK(support::error_of([&] { calibrate::calibrate_gates(gates, seen, label_rule::right); }).message ==
          "calibrate: expected observations of 3 exits, found 4");
}
