// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/depth_drafts.hpp>

#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/generate/session.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "generate/drafts/draft_fakes.hpp"
#include "generate/fixtures.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
using support::draft_desk;
using support::drafted_ids;
using support::scripted_exits;

static_assert(eo::drafter<eo::depth_drafts>);

namespace {

eo::draft depth_draft_of(draft_desk& desk, std::size_t limit) {
    const eo::depth_drafts d = eo::depth_drafts::from({});
    eo::no_draft_state state;
    eo::draft_context context = desk.context();
    eo::draft made(limit);
    eo::propose(d, std::vector<eo::token_id>{1}, state, context, made);
    return made;
}

/// Costs with which a planner drafts as much as it may.
const std::vector<double> nothing_costs_more{1.0};

template <class Policy>
void check_depth_drafts(const Policy& policy, const eo::generate_options& options) {
    std::mt19937 engine(21);
    const support::ids prompt = support::random_prompt(engine, 9);
    eo::session plain{support::small_network()};
    const eo::completion expected = plain.complete(prompt, options);
    eo::session drafting{support::small_network(), policy, eo::depth_drafts{},
                         eo::session_options{.drafts = {.block_costs = nothing_costs_more}}};
    const eo::completion made = drafting.complete(prompt, options);
    CHECK(support::same_output(made, expected));
    CHECK(made.stats.drafted > 0);
}

}  // namespace

TEST_CASE("depth_drafts proposes what the exits predict, with their probabilities", "[generate][depth_drafts]") {
    draft_desk desk{.planner = eo::draft_planner(nothing_costs_more),
                    .exits = scripted_exits({{7, 0.5f, 2}, {8, 0.25f, 4}, {9, 1.0f, 3}, {10, 1.0f, 2}})};
    const eo::draft made = depth_draft_of(desk, 3);
    CHECK(drafted_ids(made) == std::vector<eo::token_id>{7, 8, 9});
    CHECK(std::vector(made.probabilities().begin(), made.probabilities().end()) == std::vector{0.5f, 0.25f, 1.0f});
    CHECK(made.layers() == 3);
    CHECK(desk.exits.calls() == 3);
}

TEST_CASE("depth_drafts ends where a token does not exit, and drafts nothing that is not planned",
          "[generate][depth_drafts]") {
    draft_desk hesitant{.planner = eo::draft_planner(nothing_costs_more), .exits = scripted_exits({{7, 0.5f, 2}})};
    CHECK(depth_draft_of(hesitant, 9).size() == 1);
    CHECK(hesitant.exits.calls() == 2);
    draft_desk nowhere{.planner = eo::draft_planner(nothing_costs_more)};
    CHECK(depth_draft_of(nowhere, 9).empty());
    CHECK(depth_draft_of(nowhere, 9).layers() == 0);

    draft_desk useless{.exits = scripted_exits({{7, 0.5f, 2}, {7, 0.5f, 2}})};
    for (int i = 0; i < 50; ++i) useless.planner.learn(support::draft_of({1}, 1.0f), 0, true);
    CHECK(depth_draft_of(useless, 9).empty());
    CHECK(useless.exits.calls() == 0);
}

TEST_CASE("depth_drafts describes itself", "[generate][depth_drafts]") {
    CHECK(eo::uses_exits(eo::depth_drafts{}));
    CHECK(eo::drafter_names(eo::depth_drafts{}).front() == "depth");
}

TEST_CASE("a session with depth_drafts produces the full model's tokens", "[generate][depth_drafts]") {
    for (const float temperature : {0.0f, 0.8f}) {
        const eo::generate_options options{.max_new_tokens = 30, .temperature = temperature, .seed = 4};
        for (const int layer : {1, 4, 5}) {
            check_depth_drafts(eo::exit_policy{eo::exit_plan{eo::exit_layers({layer}), eo::always_exit{}}}, options);
        }
        check_depth_drafts(support::policy(support::hash_gate{.exit_percent = 60}, eo::defer{}), options);
        check_depth_drafts(support::policy(support::remembering_gate{}, eo::propagate{}), options);
        check_depth_drafts(eo::exit_policy{eo::exit_plan{support::every_layer, support::hash_gate{.exit_percent = 60}},
                                           eo::shortlist{20}, eo::propagate{}},
                           options);
    }
}
