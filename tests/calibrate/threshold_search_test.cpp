// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/threshold_search.hpp>

#include <earlyout/calibrate/gates.hpp>
#include <earlyout/core/executor.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "calibrate/fitted_model.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

TEST_CASE("thresholds are searched from conservative to bold, until too much is lost",
          "[calibrate][threshold_search]") {
    support::fitted_model model;
    eo::exit_weights exits("file");
    exits.set_model(support::fitted_to()).set_layers({2, 4});
    exits.set("learn-to-exit.2.weight", {1, 20}, std::vector<float>(20, 0.01f));
    exits.set("learn-to-exit.4.weight", {1, 20}, std::vector<float>(20, 0.01f));
    model.set_exits(std::move(exits));
    const auto samples = calibrate::cut_samples(support::random_texts(12, 40),
                                                {.count = 4, .length = 24, .new_tokens = 4, .least_prompt = 8});
    calibrate::threshold_options options;
    options.layers = {2, 4};
    options.few_layers = false;
    options.check_margins = {0.0f, 0.5f};
    options.caches = {"propagate"};
    options.loss = 2.0;  // nothing is too much
    options.confidence = 0.0;
    const eo::any_head head;
    const calibrate::monitor watch;
    eo::inline_executor on;
    eo::step_costs costs;
    costs.layer = {1.0, 1.0};
    costs.output = {1.0, 1.0};
    calibrate::policy_trials trials(model, &head, costs, samples, 0.95, on, watch);
    calibrate::gate_choice all = calibrate::threshold_search(model, options, watch).choose("learn-to-exit", trials);
    // Seven thresholds without a check, since at 1 nothing would hold it back, and eight with one.
    REQUIRE(all.tried.size() == 15);
    CHECK(to_string(all.tried.front().policy) == "learn-to-exit(0.02) @ 2,4");
    CHECK(to_string(all.tried.back().policy) == "learn-to-exit(1) & margin(0.5) @ 2,4");
    CHECK(all.tried[0].layers_skipped == 0.0);
    CHECK(all.tried[6].layers_skipped > 0.0);

    // Four samples of four texts show nothing.
    CHECK(all.found);
    CHECK_FALSE(all.chosen.is_timed);
    calibrate::threshold_search(model, options, watch).confirm(all, trials);
    if (all.found) CHECK(all.chosen.is_timed);
    options.loss = 0.5;
    options.confidence = 0.95;
    calibrate::gate_choice unsure = calibrate::threshold_search(model, options, watch).choose("learn-to-exit", trials);
    CHECK_FALSE(unsure.found);
    calibrate::threshold_search(model, options, watch).confirm(unsure, trials);
    CHECK_FALSE(unsure.found);
    if (unsure.promising) CHECK(unsure.samples_needed >= calibrate::samples_to_show(0.5));

    options.loss = options.front_loss = -1.0;  // everything is
    const calibrate::gate_choice none =
        calibrate::threshold_search(model, options, watch).choose("learn-to-exit", trials);
    CHECK(none.tried.size() == 2);
    CHECK_FALSE(none.found);
    CHECK(none.chosen.policy.is_full_depth());
}

TEST_CASE("cache policies, sets of layers and gates without a fit are tried", "[calibrate][threshold_search]") {
    const support::fitted_model model;
    const auto samples = calibrate::cut_samples(support::random_texts(12, 40),
                                                {.count = 4, .length = 24, .new_tokens = 4, .least_prompt = 8});
    calibrate::threshold_options options;
    options.layers = {1, 2, 3, 4, 5};
    options.loss = 2.0;
    const eo::any_head head;
    const calibrate::monitor watch;
    eo::inline_executor on;
    const eo::step_costs costs;
    calibrate::policy_trials trials(model, &head, costs, samples, 0.95, on, watch);
    const calibrate::gate_choice choice = calibrate::threshold_search(model, options, watch).choose("margin", trials);
    std::set<std::string> caches;
    std::set<std::vector<std::size_t>> layers;
    for (const calibrate::measured_policy& row : choice.tried) {
        caches.insert(row.policy.cache);
        layers.insert(row.policy.layers);
    }
    CHECK(caches == std::set<std::string>{"defer", "propagate"});
    CHECK(layers == std::set<std::vector<std::size_t>>{{1, 2, 3, 4, 5}, {1, 3}, {1, 3, 4}, {1}, {2}, {3}});
}
