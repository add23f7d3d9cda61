// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/estimate_fit.hpp>

#include <earlyout/core/executor.hpp>

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

#include "calibrate/fitted_model.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

calibrate::fit_options some() {
    calibrate::fit_options options;
    options.layers = {2, 4};
    options.heads = "adapter";
    options.head_fit = {.rank = 4, .epochs = 3, .batch = 64};
    options.gates = {"learn-to-exit"};
    options.more_gates = {"margin"};
    options.thresholds.confidence = 0.0;
    options.thresholds.loss = 1.0;  // so that everything is tried
    options.costs.seconds = 0.01;
    options.needs_skill = false;
    options.samples = {.count = 60, .length = 40, .new_tokens = 8, .least_prompt = 8};
    return options;
}

}  // namespace

TEST_CASE("an estimate names the steps of a fit, what they take and how much is kept", "[calibrate][estimate_fit]") {
    support::fitted_model model;
    const auto texts = support::random_texts(200, 60);
    eo::inline_executor on;
    const auto options = some();
    const auto expected = calibrate::estimate_fit(model, texts, options, 0, on);
    REQUIRE(expected);
    std::vector<std::string> names;
    for (const calibrate::fit_step& step : expected->steps) {
        INFO(step.name);
        names.push_back(step.name);
        CHECK(step.seconds > 0.0);
        CHECK(step.bytes <= expected->bytes());
    }
    CHECK(names == std::vector<std::string>{"reading texts", "fitting heads", "recomputing exit outputs",
                                            "fitting gates", "costs", "completing prompts with policies",
                                            "timing the fastest"});
    CHECK_FALSE(model.has_exits());

    const auto start = std::chrono::steady_clock::now();
    const auto made = calibrate::fit_exits(model, texts, options, support::fitted_to(), {}, on);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    REQUIRE(made);
    CHECK(expected->tokens == made->fit.tokens + made->validation.tokens);
    CHECK(expected->samples == made->samples);
    std::size_t tried = 0;
    for (const calibrate::gate_choice& choice : made->choices) tried += choice.tried.size();
    CHECK(expected->policies == tried);
    // No completion takes less than some microseconds.
    CHECK(expected->steps[5].seconds > 5e-6 * static_cast<double>(expected->policies * expected->samples));
    // Loose: anything may run beside a test.
    INFO(expected->seconds() << " s expected, " << seconds << " s taken");
    CHECK(expected->seconds() > seconds / 20.0);
    CHECK(expected->seconds() < seconds * 20.0);
}

TEST_CASE("an estimate follows the options", "[calibrate][estimate_fit]") {
    support::fitted_model model;
    const auto texts = support::random_texts(200, 60);
    eo::inline_executor on;
    auto options = some();
    const auto estimate = [&](std::size_t others = 0) {
        return *calibrate::estimate_fit(model, texts, options, others, on);
    };
    const auto has = [](const calibrate::fit_estimate& of, const std::string& step) {
        return std::ranges::find(of.steps, step, &calibrate::fit_step::name) != of.steps.end();
    };
    const auto all = estimate();
    options.memory = calibrate::calibration_set::bytes_of_token(3, 20) * 400;
    const auto less = estimate(1);
    CHECK(less.tokens == all.tokens);
    CHECK(less.kept <= 400);
    CHECK(less.kept > 200);
    CHECK(has(less, "checking other formats"));
    options.heads = "shared";
    options.thresholds.are_timed = false;
    options.thresholds.few_layers = false;
    options.guarantee.eps = 0.5;
    const auto fewer = estimate();
    CHECK(fewer.policies < all.policies);
    CHECK_FALSE(has(fewer, "fitting heads"));
    CHECK_FALSE(has(fewer, "timing the fastest"));
    CHECK_FALSE(has(fewer, "checking other formats"));
    CHECK(has(fewer, "testing the guarantee"));

    options.heads = "own";
    CHECK(estimate().bytes() >= static_cast<double>(5 * 97 * 20 * sizeof(float)));
    options.head_fit.rank = 21;
    CHECK(support::error_of([&] { (void)estimate(); }) == support::thrown(eo::errc::invalid_argument, {"rank", "21"}));
    std::stop_source stop;
    stop.request_stop();
    options = some();
    CHECK_FALSE(calibrate::estimate_fit(model, texts, options, 0, on, {.cancel = stop.get_token()}));
}
