// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/best_of.hpp>

#include <earlyout/generate/drafts/any_drafter.hpp>
#include <earlyout/generate/drafts/first_of.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "generate/drafts/draft_fakes.hpp"
#include "generate/drafts/drafters_made_up.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
using support::draft_desk;
using support::draft_of;
using support::drafted_ids;
using support::fixed_drafts;
using support::planned_exit_drafts;
using support::recording_drafts;
using support::scripted_exits;

static_assert(eo::drafter<eo::best_of<fixed_drafts>>);
static_assert(eo::drafter<eo::best_of<eo::best_of<fixed_drafts, recording_drafts>, eo::any_drafter>>);

namespace {

const std::vector<eo::token_id> sequence_so_far{5, 6, 7};

/// The draft of a drafter with a state of its own.
template <class D>
eo::draft drafted_by(const D& d, draft_desk& desk, std::size_t limit = 15) {
    auto state = eo::start_drafts(d, {.tokens = 10, .vocab = 50});
    eo::append_to_drafts(d, sequence_so_far, state);
    eo::draft_context context = desk.context();
    eo::draft made(limit);
    eo::propose(d, sequence_so_far, state, context, made);
    return made;
}

/// What a drafter's members are told of a draft, by the recording ones among them.
template <class D>
void tell_outcome(const D& d, std::size_t origin) {
    auto state = eo::start_drafts(d, {});
    const eo::draft proposed = draft_of({1, 2}, 0.5f, origin);
    eo::learn_from(d, {proposed, 1}, state);
}

std::vector<scripted_exits::prediction> sure_predictions(std::size_t count) {
    std::vector<scripted_exits::prediction> made;
    for (std::size_t i = 0; i < count; ++i) made.push_back({static_cast<eo::token_id>(40 + i), 1.0f, 2});
    return made;
}

}  // namespace

TEST_CASE("best_of proposes the draft that promises the most", "[generate][best_of]") {
    const fixed_drafts likely{.proposed = {1, 2}, .probability = 1.0f},
        unlikely{.proposed = {3, 4}, .probability = 0.2f};
    const fixed_drafts none{};
    for (const bool likely_first : {true, false}) {
        draft_desk desk;
        const eo::draft made = likely_first ? drafted_by(eo::best_of(likely, unlikely), desk)
                                            : drafted_by(eo::best_of(unlikely, likely), desk);
        CHECK(drafted_ids(made) == likely.proposed);
        CHECK(made.origin() == (likely_first ? 0 : 1));
    }
    draft_desk desk;
    CHECK(drafted_by(eo::best_of(none, none), desk).empty());
    CHECK(drafted_ids(drafted_by(eo::best_of(none, unlikely), desk)) == unlikely.proposed);
    CHECK(drafted_by(eo::best_of(none, unlikely), desk).origin() == 1);
    CHECK(drafted_ids(drafted_by(eo::best_of(unlikely, none), desk)) == unlikely.proposed);
    CHECK(drafted_by(eo::best_of(likely), desk, 1).size() == 1);  // no longer than wanted
    CHECK(drafted_by(eo::best_of(unlikely, likely), desk, 0).empty());
    // Of drafts with the same promise, the first.
    CHECK(drafted_by(eo::best_of(likely, likely), desk).origin() == 0);
}

TEST_CASE("best_of follows what was measured, not what drafters state", "[generate][best_of]") {
    const fixed_drafts bold{.proposed = {1, 2}, .probability = 1.0f}, modest{.proposed = {3, 4}, .probability = 0.6f};
    draft_desk desk;
    const eo::best_of both(bold, modest);
    CHECK(drafted_by(both, desk).origin() == 0);
    for (int i = 0; i < 20; ++i) desk.planner.learn(draft_of({1, 2}, 1.0f, 0), 0, true);
    CHECK(drafted_by(both, desk).origin() == 1);
    for (int i = 0; i < 40; ++i) {
        desk.planner.learn(draft_of({1, 2}, 1.0f, 0), 2, false);
        desk.planner.learn(draft_of({3, 4}, 0.6f, 1), 0, true);
    }
    CHECK(drafted_by(both, desk).origin() == 0);
}

TEST_CASE("best_of's members follow the sequence, and the one whose draft was verified learns", "[generate][best_of]") {
    using lines = std::vector<std::string>;
    const recording_drafts a{.proposed = {1}}, b{.proposed = {2}};
    const eo::best_of both(a, b);
    auto state = eo::start_drafts(both, {.tokens = 9, .vocab = 50});
    eo::append_to_drafts(both, sequence_so_far, state);
    eo::rollback_drafts(both, 2, state);
    CHECK(a.take() == lines{"start 9 50", "append 5 6 7", "rollback 2"});
    CHECK(b.take() == lines{"start 9 50", "append 5 6 7", "rollback 2"});
    eo::learn_from(both, {draft_of({1, 2, 3}, 0.5f, 1), 2}, state);
    CHECK(a.take().empty());
    CHECK(b.take() == lines{"learn 2 of 3 from 0"});
    eo::learn_from(both, {draft_of({1, 2, 3}, 0.5f, 0), 0}, state);
    CHECK(a.take() == lines{"learn 0 of 3 from 0"});
    CHECK(b.take().empty());
}

TEST_CASE("drafters in nested combinations keep their origins and names", "[generate][best_of]") {
    const recording_drafts a{.proposed = {1}, .probability = 0.1f}, b{.proposed = {2}, .probability = 0.2f},
        c{.proposed = {3}, .probability = 1.0f}, e{.proposed = {4}, .probability = 0.6f};
    const auto check_nested = [&](const auto& all) {
        CHECK(eo::drafter_count(all) == 5);
        CHECK(eo::drafter_names(all) ==
              std::vector<std::string_view>{"recording", "fixed", "recording", "recording", "recording"});
        draft_desk desk;
        const eo::draft made = drafted_by(all, desk);
        CHECK(drafted_ids(made) == std::vector<eo::token_id>{3});
        CHECK(made.origin() == 3);
        for (const recording_drafts* const one : {&a, &b, &c, &e}) (void)one->take();
        const std::vector<const recording_drafts*> by_origin{&a, nullptr, &b, &c, &e};
        for (std::size_t origin = 0; origin < by_origin.size(); ++origin) {
            INFO("origin " << origin);
            tell_outcome(all, origin);
            for (const recording_drafts* const one : {&a, &b, &c, &e}) {
                const std::vector<std::string> told = one->take();
                REQUIRE_FALSE(told.empty());
                CHECK((told.back() == "learn 1 of 2 from 0") == (one == by_origin[origin]));
            }
        }
        // The inner drafters' acceptance is looked up at their own origin.
        for (int i = 0; i < 30; ++i) desk.planner.learn(draft_of({3}, 1.0f, 3), 0, true);
        CHECK(drafted_by(all, desk).origin() == 4);
    };
    const fixed_drafts silent{};
    check_nested(eo::best_of(a, eo::best_of(silent, eo::best_of(b, c)), e));
    check_nested(eo::any_drafter(eo::best_of(a, eo::any_drafter(eo::best_of(silent, b)), eo::best_of(c, e))));
    check_nested(eo::best_of(a, silent, eo::best_of(eo::first_of(b), eo::any_drafter(c)), eo::any_drafter(e)));
}

TEST_CASE("best_of lets exits draft only where they are expected to do better", "[generate][best_of]") {
    const fixed_drafts sure{.proposed = {1, 2, 3, 4}, .probability = 1.0f},
        unlikely{.proposed = {1}, .probability = 0.01f};
    const planned_exit_drafts exits;
    const eo::best_of better(sure, exits), worse(unlikely, exits);
    CHECK(eo::uses_exits(better));
    CHECK_FALSE(eo::uses_exits(eo::best_of(sure, unlikely)));

    draft_desk desk{.exits = scripted_exits(sure_predictions(30))};
    const eo::draft looked_up = drafted_by(better, desk);
    CHECK(drafted_ids(looked_up) == sure.proposed);
    CHECK(desk.exits.calls() == 0);

    const eo::draft at_exits = drafted_by(worse, desk);
    CHECK(at_exits.origin() == 1);
    CHECK(at_exits.layers() == 2);
    CHECK(at_exits.size() >= 1);
    CHECK(desk.exits.calls() == at_exits.size());

    // Once they ran, they are verified: their cost is spent.
    draft_desk hesitant{.exits = scripted_exits({{40, 0.01f, 2}})};
    CHECK(drafted_by(worse, hesitant).layers() == 2);
    draft_desk nowhere;
    CHECK(drafted_by(worse, nowhere).origin() == 0);
}

TEST_CASE("best_of tries drafts at exits again, whatever the others propose", "[generate][best_of]") {
    const planned_exit_drafts exits;
    const auto tries_of = [&](const fixed_drafts& other) {
        draft_desk desk{.exits = scripted_exits(sure_predictions(1000))};
        const eo::best_of both(other, exits);
        for (int i = 0; i < 60; ++i) desk.planner.learn(draft_of({1}, 1.0f, 1), 0, true);
        int tried = 0;
        for (int i = 0; i < 650; ++i) {
            const eo::draft made = drafted_by(both, desk);
            if (made.layers() == 0) continue;
            CHECK(made.origin() == 1);
            desk.planner.learn(made, 0, true);
            ++tried;
        }
        return tried;
    };
    for (const float probability : {0.01f, 1.0f}) {
        const int tried = tries_of({.proposed = {1, 2}, .probability = probability});
        CHECK(tried >= 5);
        CHECK(tried <= 15);
    }
    CHECK(tries_of({}) >= 5);
}

TEST_CASE("best_of learns of drafts that were not chosen", "[generate][best_of]") {
    // Both promise too little to be verified; the first is always wrong, the second always right.
    const fixed_drafts wrong{.proposed = {7}, .probability = 0.3f}, right{.proposed = {8}, .probability = 0.25f};
    const eo::best_of both(wrong, right);
    draft_desk desk;
    CHECK(drafted_by(both, desk).origin() == 0);
    for (int i = 0; i < 30; ++i) {
        CHECK(desk.planner.wants_draft());
        const eo::draft made = drafted_by(both, desk);
        desk.planner.learn_noted(made, 8);
        const bool guessed = made.ids().front() == 8;
        desk.planner.learn(made, guessed ? 1 : 0, !guessed);
        if (guessed) break;
    }
    CHECK(drafted_by(both, desk).origin() == 1);
    CHECK(desk.planner.length(drafted_by(both, desk)) == 1);
}
