// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/recycled_drafts.hpp>

#include <span>
#include <vector>

#include "generate/drafts/drafter_checks.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

static_assert(eo::drafter<eo::recycled_drafts>);

TEST_CASE("recycled_drafts drafts what last followed each token", "[generate][recycled_drafts]") {
    const eo::recycled_drafts d{.max_tokens = 3, .probability = 0.25f};
    auto state = eo::start_drafts(d, {.tokens = 20, .vocab = 10});
    const std::vector<eo::token_id> ids{1, 2, 3, 1, 4, 5, 1};
    d.append(ids, state);
    eo::draft made;
    d.propose(ids, state, made);
    CHECK(std::vector(made.ids().begin(), made.ids().end()) == std::vector<eo::token_id>{4, 5, 1});
    CHECK(made.probabilities()[2] == 0.25f);
    CHECK(made.match() == 1);
    d.rollback(4, state);
    made.clear();
    d.propose(std::span(ids).first(4), state, made);
    CHECK(std::vector(made.ids().begin(), made.ids().end()) == std::vector<eo::token_id>{2, 3, 1});
    d.rollback(2, state);
    made.clear();
    d.propose(std::span(ids).first(2), state, made);
    CHECK(made.empty());
    eo::draft two(2);
    d.propose(std::span(ids).first(1), state, two);
    CHECK(two.size() == 1);
}

TEST_CASE("recycled_drafts keeps a drafter's promises", "[generate][recycled_drafts]") {
    support::check_drafter(eo::recycled_drafts{});
}
