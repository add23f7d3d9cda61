// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/policy_front.hpp>

#include <cmath>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

calibrate::measured_policy tried(const char* policy, double loss, double high, eo::step_work work) {
    calibrate::measured_policy made{.policy = eo::policy_spec::parse(policy), .intervals = {}, .work = work};
    made.loss = loss;
    made.layers_skipped = 0.5;
    made.intervals.rouge_l_loss = {0.0, high};
    return made;
}

eo::step_costs costs_of(double layer, double output) {
    eo::step_costs costs;
    costs.layer = {layer, layer};
    costs.output = {output, output};
    return costs;
}

}  // namespace

TEST_CASE("a front has what may be fastest somewhere", "[calibrate][policy_front]") {
    calibrate::gate_choice choice;
    choice.tried = {
        tried("margin(0.9) @ 2", 0.0, 0.01, {.tokens = 2.0, .layers = 12.0, .outputs = 4.0}),
        tried("margin(0.8) @ 2", 0.0, 0.01,
              {.tokens = 2.0, .layers = 12.0, .outputs = 4.5}),  // more work, no less loss
        tried("margin(0.7) @ 2,4", 0.0, 0.01, {.tokens = 2.0, .layers = 8.0, .outputs = 6.0}),  // fewer layers
        tried("margin(0.2) @ 2", 0.02, 0.04, {.tokens = 2.0, .layers = 6.0, .outputs = 3.0}),   // loses more
        tried("margin(0.1) @ 2", 0.03, 0.08, {.tokens = 2.0, .layers = 4.0, .outputs = 2.0}),   // too much
    };
    const auto front = calibrate::front_of(std::vector{choice}, 0.05, 0.95, costs_of(1.0, 1.0), 8);
    std::vector<std::string> found;
    for (const auto& p : front) found.push_back(to_string(p.policy));
    CHECK(found == std::vector<std::string>{"margin(0.9) @ 2", "margin(0.7) @ 2,4", "margin(0.2) @ 2"});
    CHECK(front[1].work == eo::step_work{.tokens = 1.0, .layers = 4.0, .outputs = 3.0});
    // 9 of 8, 9 of 7 and 9 of 4.5: what is slower than one that loses no more goes, if by more than the slack.
    choice.tried.push_back(tried("margin(0.3) @ 2,4", 0.02, 0.045, {.tokens = 2.0, .layers = 5.9, .outputs = 5.0}));
    CHECK(calibrate::front_of(std::vector{choice}, 0.05, 0.95, costs_of(1.0, 1.0), 8).size() == 3);
    CHECK(calibrate::front_of(std::vector{choice}, 0.05, 0.95, costs_of(1.0, 1.0), 8, 0.5).size() == 4);
    choice.tried.pop_back();
    // Where means decide, the last is within the loss.
    CHECK(calibrate::front_of(std::vector{choice}, 0.05, 0.0, costs_of(1.0, 1.0), 8).back().loss == 0.03);

    SECTION("which one depends on the machine and on the loss") {
        const auto fastest = [&](double layer, double output, double loss) -> std::string {
            const auto* const best = calibrate::fastest_of(front, costs_of(layer, output), 8, loss);
            return best != nullptr ? to_string(best->policy) : "none";
        };
        CHECK(fastest(1.0, 1.0, 0.05) == "margin(0.2) @ 2");
        CHECK(fastest(1.0, 1.0, 0.01) == "margin(0.7) @ 2,4");  // 7 of 9
        CHECK(fastest(1.0, 1.5, 0.01) == "margin(0.7) @ 2,4");  // 8.5 of 9.5, where the other takes 9
        CHECK(fastest(1.0, 2.0, 0.01) == "none");               // both take 10 of full depth's 10
        CHECK(fastest(1.0, 1.0, 0.001) == "none");
    }
}
