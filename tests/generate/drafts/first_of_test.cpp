// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/first_of.hpp>

#include <earlyout/generate/drafts/any_drafter.hpp>

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

static_assert(eo::drafter<eo::first_of<fixed_drafts, recording_drafts>>);

namespace {

template <class D>
eo::draft first_draft_of(const D& d, draft_desk& desk) {
    auto state = eo::start_drafts(d, {.tokens = 10, .vocab = 50});
    const std::vector<eo::token_id> ids{5, 6};
    eo::append_to_drafts(d, ids, state);
    eo::draft_context context = desk.context();
    eo::draft made;
    eo::propose(d, ids, state, context, made);
    return made;
}

}  // namespace

TEST_CASE("first_of proposes what the first of its members has", "[generate][first_of]") {
    draft_desk desk;
    const fixed_drafts none{}, poor{.proposed = {1}, .probability = 0.1f},
        good{.proposed = {2, 3}, .probability = 1.0f};
    CHECK(drafted_ids(first_draft_of(eo::first_of(none, poor, good), desk)) == poor.proposed);
    CHECK(first_draft_of(eo::first_of(none, poor, good), desk).origin() == 1);
    CHECK(drafted_ids(first_draft_of(eo::first_of(good, none, poor), desk)) == good.proposed);
    CHECK(first_draft_of(eo::first_of(good, none, poor), desk).origin() == 0);
    CHECK(first_draft_of(eo::first_of(none, none), desk).empty());
}

TEST_CASE("first_of does not call those after the first that has a draft", "[generate][first_of]") {
    using lines = std::vector<std::string>;
    draft_desk desk;
    const recording_drafts first{.proposed = {1}}, second{.proposed = {2}};
    (void)first_draft_of(eo::first_of(first, second), desk);
    CHECK(first.take() == lines{"start 10 50", "append 5 6", "propose"});
    CHECK(second.take() == lines{"start 10 50", "append 5 6"});
    const fixed_drafts sure{.proposed = {1}};
    draft_desk with_exits{.exits = support::scripted_exits({{3, 1.0f, 2}})};
    (void)first_draft_of(eo::first_of(sure, planned_exit_drafts{}), with_exits);
    CHECK(with_exits.exits.calls() == 0);
}

TEST_CASE("first_of's members keep their origins, and learn from their own drafts", "[generate][first_of]") {
    draft_desk desk;
    const recording_drafts silent{}, speaking{.proposed = {7}};
    const eo::first_of all(fixed_drafts{}, eo::first_of(silent, eo::any_drafter(speaking)));
    const eo::draft made = first_draft_of(all, desk);
    CHECK(drafted_ids(made) == std::vector<eo::token_id>{7});
    CHECK(made.origin() == 2);
    CHECK(eo::drafter_names(all) == std::vector<std::string_view>{"fixed", "recording", "recording"});
    (void)silent.take();
    (void)speaking.take();
    auto state = eo::start_drafts(all, {});
    eo::learn_from(all, {made, 1}, state);
    CHECK(silent.take() == std::vector<std::string>{"start 0 0"});
    CHECK(speaking.take() == std::vector<std::string>{"start 0 0", "learn 1 of 1 from 0"});
}
