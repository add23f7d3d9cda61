// SPDX-License-Identifier: MIT
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/generate/drafted_generation.hpp>
#include <earlyout/generate/drafts/depth_drafts.hpp>
#include <earlyout/generate/drafts/no_drafts.hpp>
#include <earlyout/generate/drafts/suffix_drafts.hpp>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

TEST_CASE("drafts are verified at full depth where exits do not decide", "[generate][drafted_generation]") {
    const auto full = eo::full_depth();
    const auto exits = policy(hash_gate{}, eo::defer{});
    CHECK_FALSE(eo::verifies_drafts(full, eo::no_drafts{}));
    CHECK(eo::verifies_drafts(full, eo::suffix_drafts{}));
    CHECK_FALSE(eo::verifies_drafts(exits, eo::suffix_drafts{}));
    CHECK(eo::verifies_drafts(exits, eo::depth_drafts{}));
}

TEST_CASE("a sequence with drafts begins with the tokens it is given", "[generate][drafted_generation]") {
    const auto full = eo::full_depth();
    eo::sequence tokens(small_network().shape(), 20);
    tokens.push(small_network(), 3);
    const eo::suffix_drafts drafter;
    const eo::drafted_generation made(small_network(), full, drafter, std::move(tokens), 8, {});
    CHECK(made.tokens.size() == 1);
    CHECK(made.accepted.capacity() >= eo::draft::max_size + 1);
}
