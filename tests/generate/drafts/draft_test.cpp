// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/draft.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "generate/drafts/draft_fakes.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
using support::drafted_ids;

TEST_CASE("a draft holds at most its limit and ignores further tokens", "[generate][draft]") {
    eo::draft three(3);
    CHECK(three.limit() == 3);
    CHECK(three.empty());
    for (eo::token_id id = 10; id < 15; ++id) {
        CHECK(three.is_full() == (id >= 13));
        three.push(id, 0.5f);
    }
    CHECK(drafted_ids(three) == std::vector<eo::token_id>{10, 11, 12});
    CHECK(three.probabilities().size() == 3);

    CHECK(eo::draft().limit() == eo::draft::max_size);
    eo::draft longest(1000);
    CHECK(longest.limit() == eo::draft::max_size);
    for (int i = 0; i < 100; ++i) longest.push(i, 1.0f);
    CHECK(longest.size() == eo::draft::max_size);
    CHECK(longest.ids().back() == eo::token_id{eo::draft::max_size - 1});

    eo::draft none(0);
    CHECK((none.empty() && none.is_full()));
    none.push(1, 1.0f);
    CHECK(none.empty());
}

TEST_CASE("a draft's probabilities are in [0, 1], whatever a drafter states", "[generate][draft]") {
    eo::draft d;
    for (const float stated : {-1.0f, 0.25f, 7.0f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
        d.push(1, stated);
    }
    const std::vector<float> found(d.probabilities().begin(), d.probabilities().end());
    CHECK(found == std::vector<float>{0.0f, 0.25f, 1.0f, 1.0f, 0.0f});
}

TEST_CASE("a draft expects a token to be accepted only if all before it are", "[generate][draft]") {
    eo::draft d;
    CHECK(d.expected_accepted() == 0.0f);
    d.push(1, 0.5f);
    CHECK(d.expected_accepted() == 0.5f);
    d.push(2, 0.5f);
    d.push(3, 1.0f);
    CHECK(d.expected_accepted() == 0.5f + 0.25f + 0.25f);
    d.push(4, 0.0f);
    d.push(5, 1.0f);
    CHECK(d.expected_accepted() == 1.0f);
    d.truncate(1);
    CHECK(d.expected_accepted() == 0.5f);
}

TEST_CASE("truncate keeps a draft's first tokens, clear none and nothing else known of it", "[generate][draft]") {
    eo::draft d(8);
    for (eo::token_id id = 1; id <= 5; ++id) d.push(id, 0.5f);
    d.set_match(6);
    d.set_origin(2);
    d.set_layers(4);
    d.truncate(9);
    CHECK(d.size() == 5);
    d.truncate(2);
    CHECK(drafted_ids(d) == std::vector<eo::token_id>{1, 2});
    CHECK((d.match() == 6 && d.origin() == 2 && d.layers() == 4 && d.limit() == 8));
    d.push(9, 1.0f);
    CHECK(drafted_ids(d) == std::vector<eo::token_id>{1, 2, 9});
    d.clear();
    CHECK((d.empty() && d.match() == 0 && d.origin() == 0 && d.layers() == 0));
    CHECK(d.limit() == 8);
}
