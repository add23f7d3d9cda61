// SPDX-License-Identifier: MIT
#include <earlyout/generate/pending.hpp>
#include <earlyout/generate/sequence.hpp>

#include <cstddef>
#include <random>
#include <utility>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

TEST_CASE("a new sequence is empty", "[generate][sequence]") {
    const eo::sequence s(small_network().shape(), 10);
    CHECK(s.size() == 0);
    CHECK(s.capacity() == 10);
    CHECK(s.layers() == 6);
    CHECK(s.frontier(1) == 0);
    CHECK(s.cache_length(6) == 0);
    CHECK(s.exact_prefix() == 0);
}

TEST_CASE("a rollback removes tokens completely, at any depths", "[generate][sequence]") {
    std::mt19937 engine(5);
    eo::inline_executor on;
    eo::run_context context(small_network(), 5, on);
    for (int round = 0; round < 40; ++round) {
        const ids kept = random_prompt(engine, 1 + engine() % 12), other = random_prompt(engine, 1 + engine() % 12),
                  after = random_prompt(engine, 1 + engine() % 12);
        eo::sequence detour(small_network().shape(), 40), fresh(small_network().shape(), 40);
        const auto push = [&](eo::sequence& s, const ids& tokens) {
            for (const eo::token_id id : tokens) s.push(small_network(), id);
        };
        const std::size_t first = 1 + engine() % 6, second = 1 + engine() % 6;
        push(detour, kept);
        push(fresh, kept);
        (void)eo::run_pending(small_network(), 1, first, detour, context);
        (void)eo::run_pending(small_network(), 1, first, fresh, context);
        push(detour, other);
        (void)eo::run_pending(small_network(), 1, std::min(first, second), detour, context);
        detour.mark_inexact(kept.size() + engine() % other.size());
        detour.rollback(kept.size());
        CHECK(detour.exact_prefix() == kept.size());
        for (std::size_t layer = 1; layer <= 6; ++layer) CHECK(detour.frontier(layer) == fresh.frontier(layer));
        push(detour, after);
        push(fresh, after);
        (void)eo::run_pending(small_network(), 1, 6, detour, context);
        (void)eo::run_pending(small_network(), 1, 6, fresh, context);
        for (std::size_t p = 0; p < fresh.size(); ++p) {
            REQUIRE(same_bits(detour.hidden_state(p), fresh.hidden_state(p)));
        }
    }
}

TEST_CASE("a sequence moves with its state", "[generate][sequence]") {
    eo::inline_executor on;
    eo::run_context context(small_network(), 5, on);
    eo::sequence s(small_network().shape(), 10), stays(small_network().shape(), 10);
    for (const eo::token_id id : {1, 2, 3}) {
        s.push(small_network(), id);
        stays.push(small_network(), id);
    }
    (void)eo::run_pending(small_network(), 1, 3, s, context);
    eo::sequence moved = std::move(s);
    (void)eo::run_pending(small_network(), 1, 6, moved, context);
    (void)eo::run_pending(small_network(), 1, 6, stays, context);
    for (std::size_t p = 0; p < 3; ++p) CHECK(same_bits(moved.hidden_state(p), stays.hidden_state(p)));
}
