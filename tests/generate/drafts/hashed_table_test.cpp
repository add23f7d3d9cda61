// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/hashed_table.hpp>

#include <cstdint>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using support::error_of;
using support::thrown;

TEST_CASE("hashed_table finds what was stored last and restores what was before", "[generate][hashed_table]") {
    eo::hashed_table table(4);
    CHECK(table.bytes() == 16 * 8);
    const std::uint64_t hash = eo::hashed_table::hash(std::vector<eo::token_id>{1, 2, 3});
    CHECK(!table.find(hash));
    const auto empty = table.store(hash, 7);
    CHECK(table.find(hash) == 7);
    const auto seven = table.store(hash, 0);
    CHECK(table.find(hash) == 0);
    // The same slot, other tokens.
    CHECK(!table.find(hash ^ 2));
    table.store(hash ^ 2, 5);
    CHECK(!table.find(hash));
    table.restore(hash, seven);
    CHECK(table.find(hash) == 7);
    table.restore(hash, empty);
    CHECK(!table.find(hash));
    CHECK(hash != eo::hashed_table::hash(std::vector<eo::token_id>{3, 2, 1}));
}

TEST_CASE("hashed_table refuses sizes that it cannot have", "[generate][hashed_table]") {
    CHECK(error_of([] { eo::hashed_table(0); }) == thrown(eo::errc::invalid_argument, {"bits", "found 0"}));
    CHECK(error_of([] { eo::hashed_table(31); }) == thrown(eo::errc::invalid_argument, {"bits", "30", "31"}));
}
