// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/draft_context.hpp>

#include <vector>

#include "generate/drafts/draft_fakes.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
using support::draft_desk;
using support::draft_of;

TEST_CASE("a draft_context estimates for the drafter that it is lent to", "[generate][draft_context]") {
    draft_desk desk;
    for (int i = 0; i < 50; ++i) {
        desk.planner.learn(draft_of({1}, 1.0f, 0), 0, true);
        desk.planner.learn(draft_of({1}, 1.0f, 1), 1, false);
        desk.planner.learn(draft_of({1}, 1.0f, 3), 0, true);
    }
    const eo::draft_context context = desk.context();
    const eo::draft own = draft_of({1}, 1.0f);
    CHECK(context.gain(own) == 1.0);
    CHECK(context.at(1).gain(own) > 1.2);
    CHECK(context.at(1).gain(own) == desk.planner.gain(draft_of({1}, 1.0f, 1)));
    CHECK(context.at(1).gain(draft_of({1}, 1.0f, 2)) == 1.0);
    CHECK(context.at(2).at(1).gain(own) == 1.0);  // one within one
    CHECK(context.at(1).at(0).gain(own) == context.at(1).gain(own));

    CHECK(context.at(1).plan_exits(4).length > 0);
    CHECK(context.at(1).plan_exits(2).length <= 2);
    CHECK(context.at(3).plan_exits(4).length == 0);
}

TEST_CASE("a draft at exits competes with the best of the others", "[generate][draft_context]") {
    draft_desk desk;
    for (int i = 0; i < 50; ++i) desk.planner.learn(draft_of({1, 2}, 1.0f), 2, false);
    const eo::draft_context context = desk.context();
    const eo::draft_planner::plan alone = context.plan_exits(4);
    REQUIRE(alone.length > 0);
    REQUIRE(alone.gain > 1.0);
    CHECK(context.against(alone.gain - 0.01).plan_exits(4).length > 0);
    CHECK(context.against(alone.gain).plan_exits(4).length == 0);
    CHECK(context.against(alone.gain).against(0.0).plan_exits(4).length == 0);  // the best so far counts
    CHECK(context.against(0.0).plan_exits(4).length > 0);
}

TEST_CASE("a draft_context lends the exits it was made with", "[generate][draft_context]") {
    draft_desk desk{.exits = support::scripted_exits({{42, 0.5f, 3}})};
    const auto made = desk.context().at(1).against(2.0).exits().predict();
    REQUIRE(made);
    CHECK((made->token == 42 && made->probability == 0.5f && made->layer == 3));
    CHECK_FALSE(desk.context().exits().predict());
}
