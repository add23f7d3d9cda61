// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/results_json.hpp>

#include <string>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

TEST_CASE("a policy as JSON has its text and its parts", "[calibrate][results_json]") {
    const auto policy = eo::policy_spec::parse(
        "token-budget(9) | learn-to-exit(0.5) & margin(0.25) @ 2,4; head=shortlist(16); cache=defer(cap=3, "
        "prefill=lazy)");
    const auto j = calibrate::to_json(policy, {2, 4}, "adapter");
    CHECK(eo::policy_spec::parse(j.at("policy").get<std::string>()) == policy);
    CHECK(j.at("gate") == "learn-to-exit");
    CHECK(j.at("threshold") == 0.5f);
    CHECK(j.at("check") == "margin(0.25)");
    CHECK(j.at("layers") == std::vector<int>{2, 4});
    CHECK(j.at("head") == "adapter");
    CHECK(j.at("shortlist") == 16);
    CHECK(j.at("cache") == "defer");
    CHECK(j.at("cap") == 3);
    CHECK(j.at("prefill") == "lazy");
    CHECK(calibrate::to_json(eo::policy_spec{}, {}, "shared").at("gate") == "none");
}

TEST_CASE("results as JSON", "[calibrate][results_json]") {
    calibrate::decision_sweep sweep("margin", "exit", {0.5f});
    sweep.add([](float) { return true; }, true);
    sweep.add([](float) { return true; }, false);
    const auto d = calibrate::to_json(sweep);
    CHECK(d.at("thresholds").at(0).at("precision") == 0.5);
    CHECK(d.at("thresholds").at(0).at("recall") == 1.0);
    calibrate::fit_result fit;
    fit.loss_target = 0.011;
    CHECK(calibrate::to_json(fit).at("policy") == "full-depth");
    CHECK(summary(fit).at("loss_target") == 0.011);
    calibrate::exit_accuracy accuracy;
    accuracy.layers = {2, 6};
    accuracy.tokens = 10;
    accuracy.right = {4, 5};
    accuracy.agrees = accuracy.first_right = accuracy.first_agrees = {5, 10};
    accuracy.cross_entropy = {20.0, 10.0};
    CHECK(calibrate::to_json(accuracy).at(0).at("right") == 0.4);
    CHECK(calibrate::to_json(accuracy).at(1).at("cross_entropy") == 1.0);
}
