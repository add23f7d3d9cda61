// SPDX-License-Identifier: MIT
#include <earlyout/generate/step_costs.hpp>

#include <earlyout/generate/make_session.hpp>

#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

eo::step_costs some_costs() {
    eo::step_costs costs;
    costs.layer = {2.0, 3.0, 4.0};
    costs.output = {5.0, 6.0, 7.0};
    costs.keys_and_values = 0.5;
    costs.token = 0.25;
    costs.gate["margin"] = 0.125;
    return costs;
}

}  // namespace

TEST_CASE("costs of blocks are relative to one token", "[generate][step_costs]") {
    const eo::step_costs costs = some_costs();
    CHECK(costs.blocks(10) == std::vector<double>{1.0, 36.0 / 25.0, 47.0 / 25.0});
    CHECK(costs.layer_slope() == 1.0);
    CHECK(eo::step_costs{}.layer_slope() == 0.0);
    CHECK(eo::step_costs{}.blocks(10).empty());
}

TEST_CASE("work costs the sum of its parts", "[generate][step_costs]") {
    const eo::step_work work{
        .tokens = 4.0, .layers = 10.0, .more_tokens = 3.0, .keys_and_values = 6.0, .outputs = 5.0, .gates = 8.0};
    const auto policy = eo::policy_spec::parse("margin(0.5) @ 2");
    CHECK(seconds_of(work, some_costs(), policy) ==
          4.0 * 0.25 + 10.0 * 2.0 + 3.0 * 1.0 + 6.0 * 0.5 + 5.0 * 5.0 + 8.0 * 0.125);
    // Full depth of six layers: .25 + 12 + 5 for each token.
    CHECK(speedup_of(work, some_costs(), policy, 6) == 17.25 * 4.0 / 53.0);
    CHECK(speedup_of({}, some_costs(), policy, 6) == 1.0);
    eo::step_work less = work;
    less.layers = 9.0;
    CHECK(less.is_within(work));
    CHECK_FALSE(work.is_within(less));
    less.tokens = 2.0;  // the same work for fewer tokens
    CHECK_FALSE(less.is_within(work));
}

TEST_CASE("the work of a completion is counted after its first prediction", "[generate][step_costs]") {
    const auto& network = support::small_network();  // six layers
    const auto prompt = std::vector<eo::token_id>{5, 7, 11, 13, 2};
    const auto work_of = [&](const char* text) {
        const auto policy = eo::policy_spec::parse(text);
        auto session = make_session(network, policy);
        return eo::work_of(session.complete(prompt, {.max_new_tokens = 5}), policy, network.shape().vocab);
    };
    CHECK(work_of("full-depth") == eo::step_work{.tokens = 4.0, .layers = 24.0, .outputs = 4.0});
    CHECK(work_of("fixed @ 2") ==
          eo::step_work{.tokens = 4.0, .layers = 8.0, .keys_and_values = 16.0, .outputs = 4.0, .gates = 4.0});
    CHECK(work_of("fixed @ 2; cache=omit") ==
          eo::step_work{.tokens = 4.0, .layers = 8.0, .outputs = 4.0, .gates = 4.0});
    // Nothing exits: logits are computed at the exit too.
    CHECK(work_of("margin(1) @ 2") == eo::step_work{.tokens = 4.0, .layers = 24.0, .outputs = 8.0, .gates = 4.0});
    const eo::step_work deferred = work_of("fixed @ 2; cache=defer(cap=1)");
    CHECK(deferred.tokens == 4.0);
    CHECK(deferred.more_tokens > 0.0);  // what was deferred is caught up beside the token that goes deeper
    auto session = make_session(network, eo::policy_spec{});
    CHECK(eo::work_of(session.complete(prompt, {.max_new_tokens = 1}), {}, network.shape().vocab) == eo::step_work{});
}
