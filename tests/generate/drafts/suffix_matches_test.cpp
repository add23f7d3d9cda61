// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/suffix_matches.hpp>
#include <earlyout/generate/drafts/suffix_tree.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("suffix_matches follows a sequence through a tree of others", "[generate][suffix_matches]") {
    eo::suffix_tree tree(10);
    for (const eo::token_id id : {1, 2, 3, 4}) tree.append(id);
    eo::suffix_matches matches;
    CHECK(matches.size() == 0);
    tree.advance(matches, 2);
    tree.advance(matches, 3);
    CHECK(matches.size() == 2);
    eo::draft made;
    tree.propose(matches, {}, made);
    REQUIRE(made.size() == 1);
    CHECK(made.ids()[0] == 4);
    CHECK(made.match() == 2);
    tree.advance(matches, 1);
    CHECK(matches.size() == 1);
    tree.advance(matches, 7);
    CHECK(matches.size() == 0);
    tree.advance(matches, 2);
    matches.clear();
    CHECK(matches.size() == 0);
    made.clear();
    tree.propose(matches, {}, made);
    CHECK(made.empty());
}
