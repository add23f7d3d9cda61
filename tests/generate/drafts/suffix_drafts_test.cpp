// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/suffix_drafts.hpp>

#include <cstddef>
#include <span>
#include <vector>

#include "generate/drafts/drafter_checks.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using support::error_of;
using support::thrown;

static_assert(eo::drafter<eo::suffix_drafts>);

TEST_CASE("suffix_drafts drafts what followed before in the sequence", "[generate][suffix_drafts]") {
    const eo::suffix_drafts d;
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
