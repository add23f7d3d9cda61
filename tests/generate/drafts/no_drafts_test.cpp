// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/no_drafts.hpp>

#include <earlyout/generate/drafts/any_drafter.hpp>
#include <earlyout/generate/drafts/best_of.hpp>
#include <earlyout/generate/session.hpp>

#include <type_traits>

#include "generate/drafts/draft_fakes.hpp"
#include "generate/drafts/drafters_made_up.hpp"
#include "generate/fixtures.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

static_assert(eo::drafter<eo::no_drafts>);
static_assert(std::is_empty_v<eo::no_drafts>);
// It is the default, and a session with it is the one without drafts.
static_assert(std::is_same_v<decltype(eo::session{support::small_network()}),
                             decltype(eo::session{support::small_network(), eo::full_depth(), eo::no_drafts{}})>);

TEST_CASE("no_drafts proposes nothing, and says so", "[generate][no_drafts]") {
    support::draft_desk desk;
    eo::no_draft_state state;
    eo::draft_context context = desk.context();
    eo::draft made = support::draft_of({1}, 1.0f);
    eo::propose(eo::no_drafts{}, std::vector<eo::token_id>{1, 2}, state, context, made);
    CHECK(made.empty());
    CHECK(eo::drafter_names(eo::no_drafts{}).front() == "none");

    CHECK(eo::proposes_nothing(eo::no_drafts{}));
    CHECK(eo::proposes_nothing(eo::any_drafter(eo::any_drafter(eo::no_drafts{}))));
    CHECK(eo::proposes_nothing(eo::best_of(eo::no_drafts{}, eo::any_drafter{})));
    CHECK(eo::proposes_nothing(eo::any_drafter(eo::best_of(eo::no_drafts{}))));
    CHECK_FALSE(eo::proposes_nothing(support::fixed_drafts{}));
    CHECK_FALSE(eo::proposes_nothing(eo::best_of(eo::no_drafts{}, support::fixed_drafts{})));
    CHECK_FALSE(eo::proposes_nothing(eo::any_drafter(support::fixed_drafts{})));
}

TEST_CASE("a session with no_drafts decodes token by token", "[generate][no_drafts]") {
    eo::session s{support::small_network(), eo::full_depth(), eo::no_drafts{}};
    const eo::completion made = s.complete(support::ids{1, 2, 3}, {.max_new_tokens = 8});
    CHECK(made.ids.size() == 8);
    CHECK(made.stats.drafted == 0);
    CHECK(made.stats.by_drafter.empty());
    CHECK(made.stats.decode.layer_tokens == 6 * 7);
}
