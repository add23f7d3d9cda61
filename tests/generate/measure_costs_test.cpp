// SPDX-License-Identifier: MIT
#include <earlyout/generate/measure_costs.hpp>

#include <cmath>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("every part of a step is measured, under the conditions that are named", "[generate][measure_costs]") {
    const auto& network = support::small_network();
    const eo::cost_options options{.seconds = 0.0, .position = 8, .max_block = 4};
    const eo::step_costs costs = eo::measure_step_costs(network, options);
    REQUIRE(costs.layer.size() == 4);
    REQUIRE(costs.output.size() == 4);
    for (const double seconds : costs.layer) CHECK(seconds > 0.0);
    for (const double seconds : costs.output) CHECK(seconds > 0.0);
    CHECK(costs.keys_and_values > 0.0);
    CHECK(costs.token >= 0.0);
    CHECK(costs.position == 8);
    CHECK(costs.gate.contains("margin"));
    CHECK_FALSE(costs.gate.contains("sec"));  // none is fitted
    CHECK(costs.measured_on == eo::conditions_of(network));
    CHECK(costs.measured_on.weight_format == "f32");
    CHECK(costs.measured_on.instruction_set == eo::instruction_set);
    CHECK(costs.measured_on.threads == 1);
    CHECK_FALSE(costs.measured_on == eo::conditions_of(network, {.threads = 2}));
}

TEST_CASE("a context that is short leaves room for what is measured", "[generate][measure_costs]") {
    const auto& network = support::small_network();
    const eo::step_costs costs = eo::measure_step_costs(network, {.seconds = 0.0, .position = 1 << 20, .max_block = 2});
    CHECK(costs.position < network.shape().context);
    CHECK(costs.layer.size() == 2);
    // A session that has room for little is no obstacle.
    CHECK(eo::measure_step_costs(network, {.session = {.capacity = 2}, .seconds = 0.0, .position = 8}).position == 8);
}
