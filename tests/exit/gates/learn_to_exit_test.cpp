// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/learn_to_exit.hpp>

#include <cmath>
#include <utility>
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

/// sigmoid(w . h + b) in double precision.
double reference(const std::vector<float>& weight, const std::vector<float>& bias, const std::vector<float>& hidden) {
    double score = bias.empty() ? 0.0 : bias.front();
    for (std::size_t k = 0; k < hidden.size(); ++k) score += static_cast<double>(weight[k]) * hidden[k];
    return 1.0 / (1.0 + std::exp(-score));
}

eo::linear_weights view(const std::vector<float>& weight, const std::vector<float>& bias) {
    return {.outputs = 1, .inputs = weight.size(), .weight = weight, .bias = bias};
}

const std::vector<float> none;

}  // namespace

TEST_CASE("learn_to_exit exits when the predicted error falls to its threshold", "[exit][learn_to_exit]") {
    support::random_source random(1);
    for (const std::size_t d : {1u, 20u, 33u, 160u}) {
        for (const bool biased : {false, true}) {
            const std::vector<float> weight = random.floats(d, 0.3f), hidden = random.floats(d);
            const std::vector<float> bias = biased ? random.floats(1) : none;
            const double expected = reference(weight, bias, hidden);
            INFO("d_model " << d << ", predicted error " << expected);
            const auto found = eo::learn_to_exit(view(weight, bias)).predicted_error(7, hidden);
            REQUIRE(found);
            CHECK_THAT(*found, WithinAbs(expected, 1e-5));
            exit_point at({0.0f}, hidden);
            const auto threshold = static_cast<float>(expected);
            CHECK(at.ask(eo::learn_to_exit(view(weight, bias), threshold + 1e-5f)) == eo::decision::exit);
            CHECK(at.ask(eo::learn_to_exit(view(weight, bias), threshold - 1e-5f)) == eo::decision::go_on);
            CHECK(at.heads_run() == 0);
        }
    }
}

TEST_CASE("learn_to_exit at its ends", "[exit][learn_to_exit]") {
    const std::vector<float> one{1.0f};
    const auto decide = [&](float score, float threshold) {
        exit_point at({0.0f}, {score});
        return at.ask(eo::learn_to_exit(view(one, none), threshold));
    };
    CHECK(decide(0.0f, 0.5f) == eo::decision::exit);
    CHECK(decide(-1000.0f, 0.0f) == eo::decision::exit);
    CHECK(decide(-1000.0f, -0.1f) == eo::decision::go_on);
    CHECK(decide(1000.0f, 0.999f) == eo::decision::go_on);
    CHECK(decide(1000.0f, 1.0f) == eo::decision::exit);
}

TEST_CASE("learn_to_exit uses each layer's own weights and continues where it has none", "[exit][learn_to_exit]") {
    const std::vector<float> sure{-9.0f}, unsure{9.0f};
    const eo::learn_to_exit gate({{5, view(unsure, none)}, {2, view(sure, none)}}, 0.5f);
    const auto decide = [&](std::size_t layer) { return exit_point({0.0f}, {1.0f}, layer).ask(gate); };
    CHECK(decide(2) == eo::decision::exit);
    CHECK(decide(5) == eo::decision::go_on);
    CHECK(decide(1) == eo::decision::go_on);
    CHECK(decide(3) == eo::decision::go_on);
    CHECK_FALSE(gate.predicted_error(3, sure));
    // A copy does not depend on the original.
    auto first = eo::learn_to_exit({{2, view(sure, none)}}, 0.5f);
    const eo::learn_to_exit copy = first;
    first = gate;
    CHECK(exit_point({0.0f}, {1.0f}, 2).ask(copy) == eo::decision::exit);
}

TEST_CASE("weights that learn_to_exit cannot use are refused, and so is another model", "[exit][learn_to_exit]") {
    const std::vector<float> six(6), two(2);
    const eo::linear_weights good = view(six, none);
    CHECK(error_of([&] { eo::learn_to_exit({.outputs = 2, .inputs = 3, .weight = six, .bias = {}}); }) ==
          thrown(eo::errc::wrong_shape, {"learn_to_exit: expected", "1 output", "found 2 outputs"}));
    CHECK(error_of([&] { eo::learn_to_exit({.outputs = 1, .inputs = 3, .weight = six, .bias = {}}); }) ==
          thrown(eo::errc::wrong_shape, {"3 inputs", "6 values"}));
    CHECK(error_of([&] { eo::learn_to_exit(view(six, two)); }) == thrown(eo::errc::wrong_shape, {"a bias of 2"}));
    const auto refused = [](std::vector<eo::layer_weights> each) {
        return error_of([&] { eo::learn_to_exit(std::move(each)); });
    };
    CHECK(refused({{1, good}, {4, view(six, two)}}) ==
          thrown(eo::errc::wrong_shape, {"learn_to_exit: layer 4", "a bias of 2"}));
    CHECK(refused({{3, good}, {1, good}, {3, good}}) ==
          thrown(eo::errc::invalid_argument, {"learn_to_exit", "layer 3", "twice"}));
    CHECK(refused({{0, good}}) == thrown(eo::errc::invalid_argument, {"learn_to_exit", "from 1", "found 0"}));
    CHECK(refused({}) == thrown(eo::errc::invalid_argument, {"learn_to_exit", "found none"}));

    const eo::learn_to_exit shared(good), each({{5, good}, {2, good}});
    CHECK_NOTHROW(shared.check({.layers = 1, .d_model = 6}));
    CHECK_NOTHROW(each.check({.layers = 5, .d_model = 6}));
    CHECK(error_of([&] { shared.check({.layers = 1, .d_model = 160}); }) ==
          thrown(eo::errc::mismatch, {"learn_to_exit: expected", "d_model = 6", "found 160"}));
    CHECK(error_of([&] { each.check({.layers = 5, .d_model = 7}); }) ==
          thrown(eo::errc::mismatch, {"layer 2", "d_model = 6", "found 7"}));
    CHECK(error_of([&] { each.check({.layers = 4, .d_model = 6}); }) ==
          thrown(eo::errc::mismatch, {"at least 5 layers", "found 4"}));
}
