// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/mlp_router.hpp>

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

/// A router's weights, and its formula in double precision.
struct router {
    std::vector<float> up, up_bias, down, down_bias;

    router(support::random_source& random, std::size_t d, std::size_t hidden, bool biased)
        : up(random.floats(hidden * d, 0.4f)),
          up_bias(biased ? random.floats(hidden, 0.4f) : std::vector<float>()),
          down(random.floats(hidden, 0.4f)),
          down_bias(biased ? random.floats(1, 0.4f) : std::vector<float>()) {}

    [[nodiscard]] eo::router_weights at(std::size_t layer) const {
        return {layer, {down.size(), up.size() / down.size(), up, up_bias}, {1, down.size(), down, down_bias}};
    }
    [[nodiscard]] double probability(const std::vector<float>& h) const {
        double squares = 0.0, sum = down_bias.empty() ? 0.0 : down_bias[0];
        for (const float x : h) squares += static_cast<double>(x) * x;
        const double rms = std::sqrt(squares / static_cast<double>(h.size()) + 1e-6);
        for (std::size_t j = 0; j < down.size(); ++j) {
            double z = up_bias.empty() ? 0.0 : up_bias[j];
            for (std::size_t k = 0; k < h.size(); ++k) z += static_cast<double>(up[j * h.size() + k]) * h[k] / rms;
            sum += static_cast<double>(down[j]) * z / (1.0 + std::exp(-z));
        }
        return 1.0 / (1.0 + std::exp(-sum));
    }
};

}  // namespace

TEST_CASE("mlp_router exits when its network's probability reaches the threshold", "[exit][mlp_router]") {
    support::random_source random(5);
    for (const std::size_t d : {1u, 20u, 33u, 160u}) {
        for (const bool biased : {false, true}) {
            const router made(random, d, 7, biased);
            const std::vector<float> hidden = random.floats(d, 30.0f);
            const auto expected = static_cast<float>(made.probability(hidden));
            INFO("d_model " << d << ", probability " << expected);
            const eo::mlp_router gate({made.at(1)});
            CHECK_THAT(*gate.probability(1, hidden), WithinAbs(expected, 1e-5));
            exit_point at({0.0f}, hidden);
            CHECK(at.ask(eo::mlp_router({made.at(1)}, expected - 1e-4f)) == eo::decision::exit);
            CHECK(at.ask(eo::mlp_router({made.at(1)}, expected + 1e-4f)) == eo::decision::go_on);
            CHECK(at.heads_run() == 0);
        }
    }
}

TEST_CASE("mlp_router has a network for some layers and continues after others", "[exit][mlp_router]") {
    support::random_source random(6);
    const router two(random, 4, 3, true), four(random, 4, 5, false);
    const eo::mlp_router gate({four.at(4), two.at(2)}, 0.0f);
    const std::vector<float> hidden = random.floats(4);
    CHECK_FALSE(gate.probability(3, hidden));
    CHECK_THAT(*gate.probability(4, hidden), WithinAbs(four.probability(hidden), 1e-5));
    exit_point third({0.0f}, hidden, 3), fourth({0.0f}, hidden, 4);
    CHECK(third.ask(gate) == eo::decision::go_on);
    CHECK(fourth.ask(gate) == eo::decision::exit);
    eo::model_shape shape;
    shape.layers = 4;
    shape.d_model = 4;
    CHECK_NOTHROW(gate.check(shape));
    shape.layers = 3;
    CHECK(error_of([&] { gate.check(shape); }) == thrown(eo::errc::mismatch, {"4 layers", "3"}));
}

TEST_CASE("mlp_router refuses weights that do not form a network", "[exit][mlp_router]") {
    support::random_source random(7);
    const router made(random, 4, 3, false);
    const auto with = [](std::vector<eo::router_weights> weights) {
        return error_of([&] { (void)eo::mlp_router(std::move(weights)); });
    };
    CHECK(with({}) == thrown(eo::errc::invalid_argument, {"found none"}));
    CHECK(with({made.at(0)}) == thrown(eo::errc::invalid_argument, {"from 1"}));
    CHECK(with({made.at(2), made.at(2)}) == thrown(eo::errc::invalid_argument, {"layer 2", "twice"}));
    eo::router_weights torn = made.at(1);
    torn.down.inputs = 2;
    CHECK(with({torn}) == thrown(eo::errc::wrong_shape, {"layer 1", "[3, 4]", "[1, 2]"}));
}
