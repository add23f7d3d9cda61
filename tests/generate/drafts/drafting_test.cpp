// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/drafting.hpp>

#include <earlyout/generate/drafts/any_drafter.hpp>
#include <earlyout/generate/drafts/best_of.hpp>
#include <earlyout/generate/drafts/no_drafts.hpp>

#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

#include "generate/drafts/draft_fakes.hpp"
#include "generate/drafts/drafters_made_up.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using support::drafted_ids;
using support::fixed_drafts;
using support::recording_drafts;
using lines_of_calls = std::vector<std::string>;

namespace {

const eo::model_shape drafted_shape{.layers = 4, .d_model = 8, .heads = 2, .vocab = 50, .context = 64};
/// Costs with which all of a draft is verified.
const eo::draft_options verifies_all{.max_tokens = 15, .block_costs = {1.0}};

template <class D>
auto drafting_with(const D& d, const eo::draft_options& options = verifies_all, std::size_t max_rows = 128) {
    return eo::drafting<D>(d, drafted_shape, 40, max_rows, options);
}

}  // namespace

TEST_CASE("drafting tells the drafter exactly what the sequence is", "[generate][drafting]") {
    const recording_drafts d{.proposed = {7, 8}};
    auto drafting = drafting_with(d);
    CHECK(d.take() == lines_of_calls{"start 40 50"});
    support::scripted_exits exits;

    std::vector<eo::token_id> ids{1, 2, 3};
    CHECK(drafting.propose(d, ids, 15, exits) == 2);
    CHECK(drafted_ids(drafting.proposed()) == std::vector<eo::token_id>{7, 8});
    CHECK(d.take() == lines_of_calls{"append 1 2 3", "propose"});
    // The first was right, and 9 in place of the second: the drafter is told of them with the next proposal.
    drafting.learn(d, 2, 1, 9);
    CHECK(d.take() == lines_of_calls{"learn 1 of 2 from 0"});
    ids.insert(ids.end(), {7, 9});
    CHECK(drafting.propose(d, ids, 15, exits) == 2);
    CHECK(d.take() == lines_of_calls{"append 7 9", "propose"});
    drafting.learn(d, 2, 2, 1);
    CHECK(d.take() == lines_of_calls{"learn 2 of 2 from 0"});

    // The drafter was not told of these; nothing is to be undone.
    ids.insert(ids.end(), {7, 8, 1});
    drafting.rollback(d, 6);
    ids.resize(6);
    CHECK(d.take().empty());
    CHECK(drafting.propose(d, ids, 15, exits) == 2);
    CHECK(d.take() == lines_of_calls{"append 7", "propose"});
    drafting.rollback(d, 6);
    CHECK(d.take().empty());
    drafting.rollback(d, 2);
    ids = {1, 2, 5};
    CHECK(drafting.propose(d, ids, 15, exits) == 2);
    CHECK(d.take() == lines_of_calls{"rollback 2", "append 5", "propose"});
    drafting.rollback(d, 0);
    ids = {4};
    CHECK(drafting.propose(d, ids, 15, exits) == 2);
    CHECK(d.take() == lines_of_calls{"rollback 0", "append 4", "propose"});
}

TEST_CASE("nothing is drafted where nothing is wanted, and the drafter follows later", "[generate][drafting]") {
    const recording_drafts d{.proposed = {7, 8}};
    auto drafting = drafting_with(d);
    support::scripted_exits exits;
    std::vector<eo::token_id> ids{1, 2};
    CHECK(drafting.propose(d, ids, 0, exits) == 0);
    CHECK(drafting.proposed().empty());
    drafting.learn(d, 0, 0, 5);
    CHECK(d.take() == lines_of_calls{"start 40 50"});
    CHECK(drafting.counts.rounds == 0);
    ids.push_back(3);
    CHECK(drafting.propose(d, ids, 1, exits) == 1);
    CHECK(d.take() == lines_of_calls{"append 1 2 3", "propose"});

    // A pause of the planner: no proposal, and none remains from the step before.
    for (int i = 0; i < 200; ++i) drafting.planner.learn(support::draft_of({1}, 0.9f), 0, true);
    ids.push_back(4);
    (void)drafting.planner.wants_draft();
    while (drafting.planner.wants_draft()) {
    }
    CHECK(drafting.propose(d, ids, 15, exits) == 0);
    CHECK(drafting.proposed().empty());
    CHECK(d.take().empty());
}

TEST_CASE("drafts are no longer than wanted, than the options and than a block", "[generate][drafting]") {
    std::vector<eo::token_id> many(40);
    std::iota(many.begin(), many.end(), 0);
    const fixed_drafts d{.proposed = many, .probability = 1.0f};
    support::scripted_exits exits;
    const auto length_of = [&](std::size_t max_tokens, std::size_t max_rows, std::size_t wanted) {
        auto drafting = drafting_with(d, {.max_tokens = max_tokens, .block_costs = {1.0}}, max_rows);
        const std::size_t length = drafting.propose(d, std::vector<eo::token_id>{1}, wanted, exits);
        CHECK(drafting.summaries().size() >= length + 1);
        CHECK(drafting.logits().size() >= (length + 1) * drafted_shape.vocab);
        return length;
    };
    CHECK(length_of(15, 128, 100) == 15);
    CHECK(length_of(1000, 128, 100) == eo::draft::max_size);
    CHECK(length_of(15, 8, 100) == 7);
    CHECK(length_of(15, 128, 3) == 3);
    CHECK(length_of(0, 128, 100) == 0);
    CHECK(length_of(15, 1, 100) == 0);
    CHECK(length_of(15, 0, 100) == 0);
}

TEST_CASE("drafting with no_drafts needs no room and drafts nothing", "[generate][drafting]") {
    const eo::any_drafter none;
    auto drafting = drafting_with(none);
    support::scripted_exits exits;
    CHECK(drafting.propose(none, std::vector<eo::token_id>{1}, 15, exits) == 0);
    CHECK(drafting.logits().size() == drafted_shape.vocab);
    const eo::no_drafts typed;
    CHECK(drafting_with(typed).logits().size() == drafted_shape.vocab);
}

TEST_CASE("drafted and accepted tokens are counted by drafter", "[generate][drafting]") {
    const recording_drafts likely{.proposed = {1, 2, 3}, .probability = 1.0f},
        other{.proposed = {4, 5}, .probability = 0.5f};
    const eo::best_of both(other, likely);
    auto drafting = drafting_with(both);
    support::scripted_exits exits;
    const std::vector<eo::token_id> ids{9};
    REQUIRE(drafting.propose(both, ids, 15, exits) == 3);
    drafting.learn(both, 3, 2, 7);
    CHECK(drafting.counts.rounds == 1);
    CHECK(drafting.counts.drafted == 3);
    CHECK(drafting.counts.accepted == 2);
    CHECK(drafting.counts.drafted_by[0] == 0);
    CHECK(drafting.counts.drafted_by[1] == 3);
    CHECK(drafting.counts.accepted_by[1] == 2);
    CHECK(likely.take().back() == "learn 2 of 3 from 0");
    CHECK(other.take().back() == "propose");
    // Of a draft that was verified in part, that part counts.
    REQUIRE(drafting.propose(both, ids, 15, exits) == 3);
    drafting.learn(both, 1, 1, 2);
    CHECK(drafting.counts.rounds == 2);
    CHECK(drafting.counts.drafted == 4);
    CHECK(drafting.counts.accepted == 3);
    CHECK(likely.take().back() == "learn 1 of 1 from 0");

    // Many drafters: further ones are counted together.
    const fixed_drafts silent{}, speaking{.proposed = {1}, .probability = 1.0f};
    const eo::best_of many(eo::best_of(silent, silent, silent, silent, silent), silent, silent, silent, silent,
                           speaking);
    auto crowded = drafting_with(many);
    REQUIRE(crowded.propose(many, ids, 15, exits) == 1);
    CHECK(crowded.proposed().origin() == 9);
    crowded.learn(many, 1, 1, 5);
    CHECK(crowded.counts.drafted_by.back() == 1);
    CHECK(crowded.counts.accepted_by.back() == 1);
}

TEST_CASE("the planner learns from tokens that were not verified, as far as they are known", "[generate][drafting]") {
    // So expensive that nothing is verified.
    const eo::draft_options expensive{.max_tokens = 15, .block_costs = {1.0, 50.0}};
    const recording_drafts d{.proposed = {7, 8}};
    support::scripted_exits exits;
    const std::vector<eo::token_id> ids{1};
    const auto estimate_after = [&](eo::token_id next) {
        auto drafting = drafting_with(d, expensive);
        for (int i = 0; i < 12; ++i) {
            CHECK(drafting.propose(d, ids, 15, exits) == 0);
            drafting.learn(d, 0, 0, next);
        }
        CHECK(drafting.counts.rounds == 0);
        CHECK(drafting.counts.drafted == 0);
        // Nothing is known of the second token, so it is believed as the first.
        const eo::draft two = support::draft_of({7, 8}, 0.9f);
        CHECK(drafting.planner.rates().probability(two, 1) >= 0.9f * drafting.planner.rates().probability(two, 0));
        return drafting.planner.rates().probability(two, 0);
    };
    const float right = estimate_after(7), wrong = estimate_after(8);
    CHECK(right > 0.8f);
    CHECK(wrong < 0.3f);
    for (const std::string& call : d.take()) CHECK(call.find("learn") == std::string::npos);  // was not verified
}

TEST_CASE("block costs that are not numbers are refused by name", "[generate][drafting]") {
    CHECK(support::error_of([] {
              (void)drafting_with(fixed_drafts{}, {.block_costs = {1.0, -1.0}});
          }) == support::thrown(eo::errc::invalid_argument, {"block costs", "-1"}));
}
