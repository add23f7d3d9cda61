// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/any_drafter.hpp>

#include <earlyout/generate/drafts/best_of.hpp>
#include <earlyout/generate/drafts/depth_drafts.hpp>
#include <earlyout/generate/drafts/suffix_drafts.hpp>
#include <earlyout/generate/session.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "generate/drafts/draft_fakes.hpp"
#include "generate/drafts/drafters_made_up.hpp"
#include "generate/fixtures.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
using support::draft_desk;
using support::draft_of;
using support::recording_drafts;

static_assert(eo::drafter<eo::any_drafter>);

namespace {

/// Drafts of a drafter along a sequence that grows, shrinks and repeats itself.
template <class D>
std::vector<std::vector<eo::token_id>> drafts_along(const D& d) {
    std::vector<std::vector<eo::token_id>> all;
    draft_desk desk{.exits = support::scripted_exits(
                        std::vector<eo::draft_exits::prediction>(40, {.token = 9, .probability = 0.9f, .layer = 2}))};
    auto state = eo::start_drafts(d, {.tokens = 60, .vocab = 10});
    std::vector<eo::token_id> ids;
    for (int i = 0; i < 40; ++i) {
        const eo::token_id next[]{static_cast<eo::token_id>(i * i % 7)};
        ids.push_back(next[0]);
        eo::append_to_drafts(d, next, state);
        if (i % 11 == 10) {
            ids.resize(ids.size() - 4);
            eo::rollback_drafts(d, ids.size(), state);
        }
        eo::draft_context context = desk.context();
        eo::draft made;
        eo::propose(d, ids, state, context, made);
        eo::learn_from(d, {made, made.size() / 2}, state);
        all.push_back(support::drafted_ids(made));
    }
    return all;
}

}  // namespace

TEST_CASE("any_drafter proposes as the drafter it holds, state and all", "[generate][any_drafter]") {
    const auto check_held = [](const auto& d) {
        const auto expected = drafts_along(d);
        CHECK(std::ranges::any_of(expected, [](const auto& ids) { return !ids.empty(); }));
        CHECK(drafts_along(eo::any_drafter(d)) == expected);
        CHECK(drafts_along(eo::any_drafter(eo::any_drafter(d))) == expected);
        CHECK(eo::drafter_names(eo::any_drafter(d)) == eo::drafter_names(d));
        CHECK(eo::drafter_count(eo::any_drafter(d)) == eo::drafter_count(d));
        CHECK(eo::uses_exits(eo::any_drafter(d)) == eo::uses_exits(d));
    };
    check_held(eo::suffix_drafts{});
    check_held(eo::depth_drafts{});
    check_held(support::fixed_drafts{.proposed = {1, 2}});
    check_held(eo::best_of(eo::suffix_drafts{}, support::planned_exit_drafts{}));
}

TEST_CASE("any_drafter calls the drafter it holds", "[generate][any_drafter]") {
    const recording_drafts held{.proposed = {4}};
    const eo::any_drafter d = held;
    draft_desk desk;
    const std::vector<eo::token_id> ids{1, 2, 3};
    auto state = eo::start_drafts(d, {.tokens = 8, .vocab = 20});
    eo::append_to_drafts(d, ids, state);
    eo::rollback_drafts(d, 1, state);
    eo::draft_context context = desk.context();
    eo::draft made;
    eo::propose(d, std::span(ids).first(1), state, context, made);
    eo::learn_from(d, {draft_of({4}, 1.0f), 1}, state);
    CHECK(held.take() ==
          std::vector<std::string>{"start 8 20", "append 1 2 3", "rollback 1", "propose", "learn 1 of 1 from 0"});
    CHECK(support::drafted_ids(made) == std::vector<eo::token_id>{4});
}

TEST_CASE("sequences of one any_drafter have states of their own", "[generate][any_drafter]") {
    const eo::any_drafter d = eo::suffix_drafts{}, copy = d;
    auto one = eo::start_drafts(d, {.tokens = 20, .vocab = 10}),
         other = eo::start_drafts(copy, {.tokens = 20, .vocab = 10});
    const std::vector<eo::token_id> repeats{1, 2, 3, 1, 2}, differs{4, 5, 6, 7, 8};
    eo::append_to_drafts(d, repeats, one);
    eo::append_to_drafts(copy, differs, other);
    draft_desk desk;
    eo::draft_context context = desk.context();
    eo::draft made;
    eo::propose(copy, repeats, one, context, made);
    CHECK(support::drafted_ids(made).front() == 3);
    eo::propose(d, differs, other, context, made);
    CHECK(made.empty());
    one = std::move(other);
    eo::propose(d, differs, one, context, made);
    CHECK(made.empty());
}

TEST_CASE("any_drafter holds no_drafts by default", "[generate][any_drafter]") {
    const eo::any_drafter none;
    CHECK(none.proposes_nothing());
    CHECK(eo::drafter_names(none) == std::vector<std::string_view>{"none"});
    CHECK_FALSE(eo::uses_exits(none));
    for (const auto& made : drafts_along(none)) CHECK(made.empty());

    // A policy's exits are then used as without a drafter.
    const auto exits = support::policy(support::hash_gate{}, eo::propagate{});
    const support::ids prompt{1, 2, 3, 4};
    eo::session plain{support::small_network(), exits};
    eo::session with{support::small_network(), exits, eo::any_drafter{}};
    const eo::completion made = with.complete(prompt, {.max_new_tokens = 20});
    CHECK(support::same_output(made, plain.complete(prompt, {.max_new_tokens = 20})));
    CHECK(made.stats.mean_exit_layer() < 6.0);
}

TEST_CASE("a session with any_drafter drafts as one with the drafter it holds", "[generate][any_drafter]") {
    const std::vector<double> free_blocks{1.0};
    const eo::session_options options{.drafts = {.block_costs = free_blocks}};
    const auto all_exit = support::policy(eo::make_gate<eo::signal::argmax>([](const auto& s) {
                                              return s.layer() == 4 ? eo::decision::exit : eo::decision::go_on;
                                          }),
                                          eo::propagate{});
    const auto same = [&](const auto& policy, auto d) {
        const support::ids prompt{7, 8, 9, 7, 8, 9, 7, 8};
        eo::session typed{support::small_network(), policy, d, options};
        eo::session erased{support::small_network(), policy, eo::any_drafter(d), options};
        const eo::completion expected = typed.complete(prompt, {.max_new_tokens = 30});
        const eo::completion made = erased.complete(prompt, {.max_new_tokens = 30});
        CHECK(support::same_output(made, expected));
        CHECK(expected.stats.drafted > 0);
        CHECK(made.stats.drafted == expected.stats.drafted);
        CHECK(made.stats.accepted == expected.stats.accepted);
        CHECK(made.stats.decode.layer_tokens == expected.stats.decode.layer_tokens);
    };
    same(eo::full_depth(), eo::suffix_drafts{});
    same(all_exit, eo::depth_drafts{});
    same(all_exit, eo::best_of(eo::suffix_drafts{}, eo::depth_drafts{}));
}
