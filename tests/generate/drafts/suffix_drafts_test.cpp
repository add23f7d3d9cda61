// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/suffix_drafts.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "generate/drafts/drafter_checks.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::error_of;
using support::thrown;

static_assert(eo::drafter<eo::suffix_drafts>);

TEST_CASE("suffix_drafts drafts what followed before in the sequence", "[generate][suffix_drafts]") {
    const eo::suffix_drafts d{.options = {.factor = 2.0f, .unseen = 0.0f}};
    auto state = eo::start_drafts(d, {.tokens = 50, .vocab = 10});
    const std::vector<eo::token_id> ids{1, 2, 3, 4, 5, 1, 2, 3};
    eo::append_to_drafts(d, ids, state);
    eo::draft made;
    d.propose(ids, state, made);
    CHECK(std::vector(made.ids().begin(), made.ids().end()) == std::vector<eo::token_id>{4, 5, 1, 2, 3});
    CHECK(made.match() == 3);
    eo::rollback_drafts(d, 5, state);
    made.clear();
    d.propose(std::span(ids).first(5), state, made);
    CHECK(made.empty());
    CHECK(eo::drafter_names(d).front() == "suffix");
}

TEST_CASE("suffix_drafts keeps a drafter's promises", "[generate][suffix_drafts]") {
    support::check_drafter(eo::suffix_drafts{});
    support::check_drafter(eo::suffix_drafts{.options = {.min_probability = 0.3f}, .max_depth = 5});
    const eo::suffix_drafts too_shallow{.max_depth = 0};
    CHECK(error_of([&] { static_cast<void>(eo::start_drafts(too_shallow, {.tokens = 10, .vocab = 3})); }) ==
          thrown(eo::errc::invalid_argument, {"depth"}));
}

TEST_CASE("suffix_drafts proposes the better of the sequence's and the store's drafts", "[generate][suffix_drafts]") {
    const auto store = std::make_shared<eo::suffix_store>(eo::suffix_store_options{.max_tokens = 100, .vocab = 10});
    const eo::suffix_drafts d{.options = {.factor = 2.0f, .unseen = 0.0f}, .store = store};
    const eo::draft_limits limits{.tokens = 50, .vocab = 10};
    auto state = d.start(limits);
    const auto proposal = [&](const std::vector<eo::token_id>& ids) {
        eo::draft made;
        d.propose(ids, state, made);
        return std::vector<eo::token_id>(made.ids().begin(), made.ids().end());
    };
    std::vector<eo::token_id> ids{1, 2, 3, 1, 2};
    d.append(ids, state);
    CHECK(proposal(ids) == std::vector<eo::token_id>{3, 1, 2});
    store->add(std::vector<eo::token_id>{1, 2, 7, 8, 9, 4});
    CHECK(proposal(ids) == std::vector<eo::token_id>{7, 8, 9, 4});
    d.rollback(1, state);
    ids = {1, 7};
    d.append(std::vector<eo::token_id>{7}, state);
    CHECK(proposal(ids) == std::vector<eo::token_id>{8, 9});
    CHECK(error_of([&] { static_cast<void>(d.start({.tokens = 50, .vocab = 9})); }) ==
          thrown(eo::errc::mismatch, {"vocabulary", "at most 9", "10"}));

    support::random_source random(5);
    const auto full = std::make_shared<eo::suffix_store>(eo::suffix_store_options{.max_tokens = 500, .vocab = 6});
    for (int i = 0; i < 9; ++i) full->add(random.tokens(100, 6));
    support::check_drafter(eo::suffix_drafts{.store = full});
}
