// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/machine_policy.hpp>

#include <string>
#include <utility>
#include <vector>

#include "calibrate/fitted_model.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

/// Exits with a front of three policies: one that skips layers where the output is cheap, one that loses more, and one
/// that takes no work at all, as none does, but loses too much by default.
eo::exit_weights exits_with_front() {
    eo::exit_weights exits("file");
    exits.set_model(support::fitted_to()).set_layers({2, 4});
    calibrate::store_front(
        exits,
        std::vector<calibrate::front_policy>{
            {eo::policy_spec::parse("margin(0.5) @ 2"), 0.0, 0.01, {.tokens = 1.0, .layers = 0.01, .outputs = 0.01}},
            {eo::policy_spec::parse("margin(0.2) @ 2"), 0.01, 0.03, {.tokens = 1.0, .layers = 0.001}}},
        0.011);
    exits.set_policy({}, "margin(0.9) @ 4");
    return exits;
}

}  // namespace

TEST_CASE("exits without a front leave the choice to fit", "[calibrate][machine_policy]") {
    support::fitted_model model;
    eo::exit_weights exits("file");
    exits.set_model(support::fitted_to()).set_layers({2, 4});
    model.set_exits(std::move(exits));
    CHECK_FALSE(calibrate::choose_for_machine(model));
}

TEST_CASE("a machine measures unless its costs are stored", "[calibrate][machine_policy]") {
    const eo::cost_options options{.session = {}, .seconds = 0.0, .position = 4, .max_block = 2};
    support::fitted_model model;
    model.set_exits(exits_with_front());
    const auto measured = calibrate::choose_for_machine(model, options);
    REQUIRE(measured);
    CHECK(measured->is_measured);
    CHECK(measured->costs.measured_on == eo::conditions_of(model));
    CHECK(to_string(measured->policy) == "margin(0.5) @ 2");
    CHECK(measured->loss_high == 0.01);
    CHECK(measured->speedup > 1.0);
    CHECK(to_string(calibrate::choose_for_machine(model, options, 0.05)->policy) == "margin(0.2) @ 2");
    const auto none = calibrate::choose_for_machine(model, options, 0.001);
    CHECK(none->policy.is_full_depth());
    CHECK(none->speedup == 1.0);

    // Costs of another number of threads are another machine's.
    const auto with_costs = [&](std::size_t threads) {
        eo::exit_weights exits = exits_with_front();
        eo::step_costs costs = measured->costs;
        costs.measured_on.threads = threads;
        calibrate::store_costs(exits, costs, eo::policy_spec::parse("margin(0.2) @ 2"));
        support::fitted_model stored;
        stored.set_exits(std::move(exits));
        return *calibrate::choose_for_machine(stored, options);
    };
    CHECK(with_costs(2).is_measured);
    CHECK(to_string(with_costs(2).policy) == "margin(0.5) @ 2");
    const calibrate::machine_policy here = with_costs(1);
    CHECK_FALSE(here.is_measured);
    CHECK(here.measure_seconds == 0.0);
    CHECK(to_string(here.policy) == "margin(0.2) @ 2");  // what was chosen and timed there
}
