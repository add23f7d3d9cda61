// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/sec_gate.hpp>

#include <array>
#include <cmath>
#include <vector>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;
using support::error_of;
using support::exit_point;
using support::thrown;

namespace {

/// softmax(W h + b) in double precision.
std::array<double, 3> sec_reference(const std::vector<float>& weight, const std::vector<float>& bias,
                                    const std::vector<float>& hidden) {
    std::array<double, 3> p{};
    double sum = 0.0;
    for (std::size_t c = 0; c < 3; ++c) {
        double score = bias.empty() ? 0.0 : bias[c];
        for (std::size_t k = 0; k < hidden.size(); ++k) {
            score += static_cast<double>(weight[c * hidden.size() + k]) * hidden[k];
        }
        sum += p[c] = std::exp(score);
    }
    for (double& value : p) value /= sum;
    return p;
}

/// A gate whose scores of stop, exit and continue are the hidden state itself.
const std::vector<float> identity{1, 0, 0, 0, 1, 0, 0, 0, 1};

eo::decision decide(std::vector<float> scores, eo::sec_thresholds thresholds) {
    exit_point at({0.0f}, std::move(scores));
    const eo::decision d =
        at.ask(eo::sec_gate({.outputs = 3, .inputs = 3, .weight = identity, .bias = {}}, thresholds));
    CHECK(at.heads_run() == 0);
    return d;
}

}  // namespace

TEST_CASE("the Stop&Exit gate's probabilities equal its formula", "[exit][sec_gate]") {
    support::random_source random(1);
    for (const std::size_t d : {1u, 20u, 33u, 160u}) {
        for (const bool biased : {false, true}) {
            const std::vector<float> weight = random.floats(3 * d, 0.3f), hidden = random.floats(d);
            const std::vector<float> bias = biased ? random.floats(3) : std::vector<float>{};
            const eo::sec_gate gate({.outputs = 3, .inputs = d, .weight = weight, .bias = bias});
            const std::array<double, 3> expected = sec_reference(weight, bias, hidden);
            const std::array<float, 3> found = gate.probabilities(hidden);
            for (std::size_t c = 0; c < 3; ++c) CHECK_THAT(found[c], WithinAbs(expected[c], 1e-5));
        }
    }
}

TEST_CASE("the most likely class decides, if it is above its threshold", "[exit][sec_gate]") {
    using eo::decision;
    const eo::sec_thresholds low{.exit = 0.0f, .stop = 0.0f};
    CHECK(decide({3, 1, 2}, low) == decision::stop);
    CHECK(decide({1, 3, 2}, low) == decision::exit);
    CHECK(decide({1, 2, 3}, low) == decision::go_on);
    // p = (.665, .245, .090) in some order
    CHECK(decide({1, 3, 2}, {.exit = 0.66f, .stop = 0.0f}) == decision::exit);
    CHECK(decide({1, 3, 2}, {.exit = 0.67f, .stop = 0.0f}) == decision::go_on);
    CHECK(decide({3, 1, 2}, {.exit = 0.0f, .stop = 0.66f}) == decision::stop);
    CHECK(decide({3, 1, 2}, {.exit = 0.0f, .stop = 0.67f}) == decision::go_on);
    // A runner-up above its own threshold does not decide.
    CHECK(decide({3, 2.9f, 0}, {.exit = 0.1f, .stop = 0.9f}) == decision::go_on);
    CHECK(decide({2.9f, 3, 0}, {.exit = 0.9f, .stop = 0.1f}) == decision::go_on);
}

TEST_CASE("gates of single layers decide there and nowhere else", "[exit][sec_gate]") {
    const std::vector<float> turned{0, 1, 0, 1, 0, 0, 0, 0, 1};
    const eo::linear_weights second{.outputs = 3, .inputs = 3, .weight = identity, .bias = {}};
    const eo::linear_weights fifth{.outputs = 3, .inputs = 3, .weight = turned, .bias = {}};
    const eo::sec_gate gate(std::vector<eo::layer_weights>{{2, second}, {5, fifth}});
    const std::vector<float> hidden{2.0f, 0.0f, 0.0f};
    CHECK(gate.probabilities(2, hidden)[0] > 0.7f);
    CHECK(gate.probabilities(5, hidden)[1] > 0.7f);
    CHECK(gate.probabilities(3, hidden) == std::array<float, 3>{0.0f, 0.0f, 1.0f});
    CHECK(error_of([&] { gate.check({.layers = 4, .d_model = 3}); }) ==
          thrown(eo::errc::mismatch, {"at least 5 layers", "4"}));
    CHECK(error_of([] { (void)eo::sec_gate(std::vector<eo::layer_weights>{}); }) ==
          thrown(eo::errc::invalid_argument, {"sec_gate", "none"}));
}

TEST_CASE("a threshold of 1 switches a decision off", "[exit][sec_gate]") {
    CHECK(decide({100, 0, 0}, {.exit = 0.5f, .stop = 1.0f}) == eo::decision::go_on);
    CHECK(decide({0, 100, 0}, {.exit = 1.0f, .stop = 0.5f}) == eo::decision::go_on);
    CHECK(decide({0, 100, 0}, {.exit = 0.99f, .stop = 0.5f}) == eo::decision::exit);
}

TEST_CASE("weights that are no Stop&Exit gate's are refused, and so is another model", "[exit][sec_gate]") {
    const std::vector<float> six(6);
    CHECK(error_of([&] { eo::sec_gate({.outputs = 2, .inputs = 3, .weight = six, .bias = {}}); }) ==
          thrown(eo::errc::wrong_shape, {"sec_gate", "3", "found 2"}));
    CHECK(error_of([&] { eo::sec_gate({.outputs = 3, .inputs = 3, .weight = six, .bias = {}}); }) ==
          thrown(eo::errc::wrong_shape, {"6 values"}));
    const eo::sec_gate gate({.outputs = 3, .inputs = 2, .weight = six, .bias = {}});
    CHECK(error_of([&] { gate.check({.layers = 1, .d_model = 160}); }) ==
          thrown(eo::errc::mismatch, {"d_model = 2", "found 160"}));
    CHECK_NOTHROW(gate.check({.layers = 1, .d_model = 2}));
}
