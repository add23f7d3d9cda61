// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/sweep.hpp>
#include <earlyout/models/mixtral.hpp>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "calibrate/fitted_model.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

std::vector<std::string> texts_of(const std::vector<eo::policy_spec>& policies) {
    std::vector<std::string> made;
    for (const eo::policy_spec& policy : policies) made.push_back(to_string(policy));
    return made;
}

bool has(const std::vector<std::string>& all, const std::string& one) { return std::ranges::count(all, one) == 1; }

/// Made-up results of a policy: it skipped half of the layers, with that speedup and that loss.
calibrate::swept_policy swept(const char* policy, double seconds, double rouge) {
    calibrate::swept_policy made;
    made.policy = eo::policy_spec::parse(policy);
    for (int i = 0; i < 120; ++i) {
        eo::completion early, full;
        early.stats.exit_histogram = {0, 0, 0, 11};
        early.stats.decode_seconds = seconds;
        full.stats.exit_histogram = {0, 0, 0, 0, 0, 0, 11};
        full.stats.decode_seconds = 1.0;
        made.measured.early.results.push_back(early);
        made.measured.full.results.push_back(full);
    }
    made.measured.early.layers = 6;
    made.measured.early.predictions = 1320;
    made.measured.early.layers_run = 1320 * 3;
    made.measured.early.rouge_l = rouge;
    made.measured.full.rouge_l = 1.0;
    made.intervals.rouge_l_loss = {1.0 - rouge, 1.0 - rouge};
    made.intervals.decode_speedup = {1.0 / seconds, 1.0 / seconds};
    return made;
}

}  // namespace

TEST_CASE("a sweep without exits tries fixed layers and margins", "[calibrate][sweep]") {
    const support::fitted_model model;
    calibrate::sweep_options options;
    options.caches = {"propagate"};
    const auto policies = texts_of(calibrate::make_sweep(model, options));
    CHECK(policies.size() == 5 + 2 * 8);
    CHECK(policies.front() == "fixed @ 5");
    CHECK(has(policies, "fixed @ 1"));
    CHECK(has(policies, "margin(0.9)"));
    CHECK(has(policies, "margin(0.2) @ 1"));
}

TEST_CASE("a sweep always contains the policies that fit chose", "[calibrate][sweep]") {
    support::fitted_model model;
    eo::exit_weights exits("file");
    exits.set_model(support::fitted_to()).set_layers({2, 3, 4});
    exits.set("learn-to-exit.3.weight", {1, 20}, std::vector<float>(20, 0.1f));
    exits.set_policy("learn-to-exit", "learn-to-exit(0.65) & margin(0.17) @ 3; cache=omit");
    exits.set_policy("sec", "full-depth");
    model.set_exits(std::move(exits));
    const auto policies = texts_of(calibrate::make_sweep(model, {}));
    CHECK(has(policies, "learn-to-exit(0.65) & margin(0.17) @ 3"));
    CHECK(has(policies, "learn-to-exit(0.65) & margin(0.17) @ 3; cache=defer"));
    CHECK(has(policies, "learn-to-exit(0.1) @ 3"));
    CHECK(has(policies, "learn-to-exit(0.1) & margin(0.3) @ 3"));
    CHECK(has(policies, "learn-to-exit(1) & margin(0.3) @ 3"));
    CHECK_FALSE(has(policies, "learn-to-exit(1) @ 3"));  // exits unconditionally
    CHECK(std::ranges::none_of(policies, [](const std::string& p) { return p.starts_with("sec"); }));
    CHECK(policies.size() == std::set(policies.begin(), policies.end()).size());
}

TEST_CASE("a sweep of a mixture tries numbers of experts", "[calibrate][sweep]") {
    const auto model =
        eo::mixtral<>::from_checkpoint(support::editable_copy("mixtral").set("num_experts_per_tok", std::int64_t{4}));
    calibrate::sweep_options options;
    options.gates = {"fixed"};
    options.caches = {"propagate"};
    CHECK(texts_of(calibrate::make_sweep(model, options)) ==
          std::vector<std::string>{"full-depth; experts=3", "full-depth; experts=2", "full-depth; experts=1",
                                   "fixed @ 1"});
    options.active_experts = {0, 6, 2};
    CHECK(texts_of(calibrate::make_sweep(model, options)) ==
          std::vector<std::string>{"full-depth; experts=6", "full-depth; experts=2", "fixed @ 1",
                                   "fixed @ 1; experts=6", "fixed @ 1; experts=2"});
    options.active_experts = {7};
    CHECK(support::error_of([&] { (void)calibrate::make_sweep(model, options); }).code == "out_of_range");
    CHECK(support::error_of([&] { (void)calibrate::make_sweep(support::fitted_model(), options); }) ==
          support::thrown(eo::errc::unsupported, {"active experts", "without mixtures", "7"}));
}

TEST_CASE("a sweep's policies can be given, and are validated before measuring", "[calibrate][sweep]") {
    const support::fitted_model model;
    calibrate::sweep_options options;
    options.policies = {eo::policy_spec::parse("margin(0.5) @ 2"), eo::policy_spec::parse("margin(0.5) @ 2")};
    CHECK(calibrate::make_sweep(model, options).size() == 1);
    options.policies = {eo::policy_spec::parse("margin(0.5) @ 7")};
    CHECK(support::error_of([&] { (void)calibrate::make_sweep(model, options); }).code == "out_of_range");
    options.policies = {eo::policy_spec::parse("sec(0.5)")};
    CHECK(support::error_of([&] { (void)calibrate::make_sweep(model, options); }).code == "no_such_file");
    options.policies.clear();
    options.gates = {"margin"};
    options.thresholds = {2.0f};
    CHECK(support::error_of([&] { (void)calibrate::make_sweep(model, options); }) ==
          support::thrown(eo::errc::invalid_argument, {"margin: threshold", "2"}));
    options.thresholds = {0.5f};
    options.caches = {"defer"};
    options.defer_caps = {0, 3};
    options.shortlists = {0, 8};
    const auto policies = texts_of(calibrate::make_sweep(model, options));
    CHECK(has(policies, "margin(0.5); head=shortlist(8); cache=defer(cap=3)"));
    CHECK(has(policies, "margin(0.5) @ 1; cache=defer"));
    CHECK_FALSE(has(policies, "margin(0.5) @ 1; head=shortlist(8); cache=defer"));  // such a policy is pointless
}

TEST_CASE("the best of a sweep and its Pareto front", "[calibrate][sweep]") {
    const std::vector<calibrate::swept_policy> all{swept("margin(0.9)", 0.9, 1.0), swept("margin(0.5)", 0.5, 0.97),
                                                   swept("margin(0.4)", 0.6, 0.96), swept("margin(0.1)", 0.3, 0.5),
                                                   swept("entropy(1)", 1.2, 1.0)};
    const auto name = [](const calibrate::swept_policy* s) { return s == nullptr ? "none" : to_string(s->policy); };
    CHECK(name(calibrate::best_at_loss(all, 0.0)) == "none");  // nothing shows that
    CHECK(name(calibrate::best_at_loss(all, 0.026)) == "margin(0.9)");
    CHECK(name(calibrate::best_at_loss(all, 0.03 + 1e-9)) == "margin(0.5)");
    CHECK(name(calibrate::best_at_loss(all, -1.0)) == "none");
    CHECK(name(calibrate::fastest(all)) == "margin(0.1)");
    std::vector<std::string> front;
    for (const calibrate::swept_policy* s : calibrate::pareto_front(all)) front.push_back(name(s));
    CHECK(front == std::vector<std::string>{"margin(0.9)", "margin(0.5)", "margin(0.1)"});
    CHECK(calibrate::best_stop_at_precision(all, {}, 0.5) == nullptr);
}

TEST_CASE("a policy wins only where its intervals support it", "[calibrate][sweep]") {
    std::vector<calibrate::swept_policy> all{swept("margin(0.9)", 0.9, 1.0), swept("margin(0.5)", 0.5, 0.97)};
    const auto name = [](const calibrate::swept_policy* s) { return s == nullptr ? "none" : to_string(s->policy); };
    all[1].intervals.rouge_l_loss = {0.01, 0.06};
    CHECK(name(calibrate::best_at_loss(all, 0.05)) == "margin(0.9)");
    CHECK(name(calibrate::promising_at_loss(all, 0.05)) == "margin(0.5)");
    CHECK(name(calibrate::best_at_loss(all, 0.06)) == "margin(0.5)");
    all[0].intervals.decode_speedup = {0.99, 1.2};
    CHECK(name(calibrate::best_at_loss(all, 0.05)) == "none");
    all[1].intervals = {};  // nothing is known
    CHECK(name(calibrate::best_at_loss(all, 1.0)) == "none");
    CHECK(name(calibrate::promising_at_loss(all, 1.0)) == "margin(0.5)");
    // 120 samples cannot show less than a fortieth.
    const std::vector<calibrate::swept_policy> one{swept("margin(0.9)", 0.9, 1.0)};
    CHECK(name(calibrate::best_at_loss(one, 0.0249)) == "none");
    CHECK(name(calibrate::best_at_loss(one, 0.0251)) == "margin(0.9)");
}
