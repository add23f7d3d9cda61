// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/gates/mlp_router.hpp>

#include <earlyout/exit/check_exits.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <stop_token>
#include <vector>

#include "calibrate/observed.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;
using calibrate::label_rule;
using support::observe;

TEST_CASE("gradients of a router's loss match finite differences", "[calibrate][mlp_router]") {
    constexpr std::size_t d = 5, hidden = 3, rows = 4;
    calibrate::detail::router_loss loss(d, hidden);
    calibrate::detail::router_loss::matrix x(rows, d);
    std::mt19937 engine(1);
    const auto random = [&] { return static_cast<float>(engine() % 1000) / 500.0f - 1.0f; };
    for (Eigen::Index i = 0; i < x.size(); ++i) x.data()[i] = random();
    std::vector<float> weights(loss.weights()), slopes(weights.size()), ignored(weights.size());
    for (float& w : weights) w = random();
    const std::vector<std::uint8_t> label{1, 0, 0, 1};
    (void)loss(weights, x, label, slopes);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        constexpr float step = 1e-2f;
        const float was = weights[i];
        weights[i] = was + step;
        const double above = loss(weights, x, label, ignored);
        weights[i] = was - step;
        const double below = loss(weights, x, label, ignored);
        weights[i] = was;
        INFO(i);
        CHECK_THAT(slopes[i], Catch::Matchers::WithinAbs((above - below) / (2.0 * step), 2e-3));
    }
}

TEST_CASE("bits of a router's gradients do not depend on where they are in memory", "[calibrate][mlp_router]") {
    constexpr std::size_t d = 20, hidden = 16, rows = 256;
    calibrate::detail::router_loss loss(d, hidden);
    calibrate::detail::router_loss::matrix x(rows, d);
    std::mt19937 engine(2);
    const auto random = [&] { return static_cast<float>(engine() % 1000) / 500.0f - 1.0f; };
    for (Eigen::Index i = 0; i < x.size(); ++i) x.data()[i] = random();
    std::vector<float> weights(loss.weights());
    for (float& w : weights) w = random();
    std::vector<std::uint8_t> label(rows);
    for (std::uint8_t& l : label) l = static_cast<std::uint8_t>(engine() % 2);
    std::vector<float> first;
    for (std::size_t offset = 0; offset < 16; ++offset) {
        std::vector<float> memory(weights.size() + offset), slopes_at(weights.size() + offset);
        std::copy(weights.begin(), weights.end(), memory.begin() + static_cast<std::ptrdiff_t>(offset));
        const std::span<float> slopes = std::span(slopes_at).subspan(offset);
        (void)loss(std::span(memory).subspan(offset), x, label, slopes);
        if (first.empty()) first.assign(slopes.begin(), slopes.end());
        CHECK(std::equal(first.begin(), first.end(), slopes.begin()));
    }
}

TEST_CASE("a router learns where exits agree with full depth, better than the base rate", "[calibrate][mlp_router]") {
    const auto seen = observe(2, 6000), other = observe(3, 3000);
    calibrate::mlp_router_fit fit;
    fit.hidden = 16;
    const calibrate::fitted_gate made = fit({seen, other});
    CHECK(made.gate == "mlp-router");
    REQUIRE(made.exits.size() == 3);
    for (const auto& exit : made.exits) {
        REQUIRE(exit.decisions.size() == 1);
        const auto& right = exit.decisions[0];
        INFO("layer " << exit.layer << ", right in " << right.share);
        CHECK(right.after.brier_score() < right.share * (1.0 - right.share));
        CHECK(right.after.expected_calibration_error() < 0.05);
    }
    eo::exit_weights exits;
    exits.set_model({6, 20, 97, "", "f32"});
    made.store(exits);
    CHECK_NOTHROW(eo::check_exits(exits));
    // The gate read from the file computes what the fit measured.
    const auto gate = eo::mlp_router::from(std::vector{0.9f}, exits);
    calibrate::reliability again;
    for (std::size_t i = 0; i < other.size(); ++i) {
        again.add(static_cast<double>(*gate.probability(4, other.hidden(2, i))), other.agrees(2, i));
    }
    CHECK(again.brier_score() == made.exits[2].decisions[0].after.brier_score());

    const calibrate::fitted_gate twice = fit({seen, other});
    CHECK(twice.tensors[0].values == made.tensors[0].values);
    fit.seed = 2;
    CHECK(fit({seen, other}).tensors[0].values != made.tensors[0].values);
}

TEST_CASE("a router's fit refuses invalid options, and ends when cancelled", "[calibrate][mlp_router]") {
    const auto seen = observe(2, 100);
    calibrate::mlp_router_fit fit;
    std::stop_source cancelled;
    cancelled.request_stop();
    CHECK(fit({seen, seen, cancelled.get_token()}).exits.empty());
    fit.hidden = 0;
    CHECK(support::error_of([&] {
              (void)fit({seen, seen});
          }) == support::thrown(eo::errc::invalid_argument, {"mlp-router", "at least 1", "0"}));
}
