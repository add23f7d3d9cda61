// SPDX-License-Identifier: MIT
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/generate/pending.hpp>

#include <cstddef>
#include <random>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

namespace {

void push_all(eo::sequence& into, const ids& tokens) {
    for (const eo::token_id id : tokens) into.push(small_network(), id);
}

}  // namespace

TEST_CASE("pending tokens of several sequences share chunks, bit-identical to running alone", "[generate][pending]") {
    std::mt19937 engine(3);
    eo::thread_pool pool(2);
    for (int round = 0; round < 20; ++round) {
        const std::size_t chunk = 1 + engine() % 9;
        eo::run_context together(small_network(), chunk, pool), apart(small_network(), 4, pool);
        std::vector<eo::sequence> batch, alone;
        std::vector<eo::sequence*> pointers;
        const std::size_t count = 1 + engine() % 4;
        for (std::size_t i = 0; i < count; ++i) {
            batch.emplace_back(small_network().shape(), 40);
            alone.emplace_back(small_network().shape(), 40);
        }
        for (eo::sequence& s : batch) pointers.push_back(&s);
        // Tokens arrive and run up to some layer, each time another.
        for (int turn = 0; turn < 4; ++turn) {
            const std::size_t last = 1 + engine() % 6;
            for (std::size_t i = 0; i < count; ++i) {
                const ids more = random_prompt(engine, engine() % 9);
                push_all(batch[i], more);
                push_all(alone[i], more);
                if (batch[i].size() == 0) continue;
                const std::size_t needed = batch[i].size() - 1;
                batch[i].need_from(needed);
                alone[i].need_from(needed);
                (void)eo::run_pending(small_network(), 1, last, alone[i], apart);
            }
            for (std::size_t layer = 1; layer <= last; ++layer) {
                eo::run_pending(small_network(), layer, std::span<eo::sequence* const>(pointers), together);
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            for (std::size_t layer = 1; layer <= 6; ++layer) {
                CHECK(batch[i].frontier(layer) == alone[i].frontier(layer));
                CHECK(batch[i].cache_length(layer) == alone[i].cache_length(layer));
            }
            for (std::size_t p = 0; p < batch[i].size(); ++p) {
                REQUIRE(same_bits(batch[i].hidden_state(p), alone[i].hidden_state(p)));
            }
        }
        CHECK(together.work().layer_tokens == apart.work().layer_tokens);
    }
}

TEST_CASE("weights are read once for the pending tokens of all sequences", "[generate][pending]") {
    eo::inline_executor on;
    eo::run_context context(small_network(), 16, on);
    eo::sequence a(small_network().shape(), 8), b(small_network().shape(), 8);
    push_all(a, {1, 2, 3});
    push_all(b, {4});
    eo::sequence* const both[] = {&a, &b};
    eo::run_pending(small_network(), 1, std::span<eo::sequence* const>(both), context);
    CHECK(context.work() == eo::work_count{4, small_network().layer_bytes(1)});
    eo::run_pending(small_network(), 1, std::span<eo::sequence* const>(both), context);
    CHECK(context.work() == eo::work_count{4, small_network().layer_bytes(1)});  // nothing is pending
}

TEST_CASE("skipped layers are propagated, omitted or deferred", "[generate][pending]") {
    eo::inline_executor on;
    eo::run_context context(small_network(), 16, on);
    const auto pending_at_3 = [&] {
        eo::sequence s(small_network().shape(), 8);
        push_all(s, {1, 2, 3, 4});
        (void)eo::run_pending(small_network(), 1, 2, s, context);
        push_all(s, {5});
        return s;
    };
    eo::sequence deferred = pending_at_3();
    eo::skipped_layers(small_network(), deferred, context).defer();
    CHECK(deferred.frontier(2) == 4);
    CHECK(deferred.frontier(3) == 0);
    CHECK(deferred.exact_prefix() == 5);

    eo::sequence propagated = pending_at_3();
    eo::skipped_layers(small_network(), propagated, context).propagate();
    CHECK(propagated.frontier(3) == 4);
    CHECK(propagated.cache_length(6) == 4);
    CHECK(propagated.exact_prefix() == 0);

    eo::sequence omitted = pending_at_3();
    eo::skipped_layers(small_network(), omitted, context).omit();
    CHECK(omitted.frontier(6) == 4);
    CHECK(omitted.cache_length(6) == 0);
    CHECK(omitted.cache_length(2) == 4);
    CHECK(omitted.exact_prefix() == 0);
}

TEST_CASE("a cancelled run stops between two layers", "[generate][pending]") {
    eo::inline_executor on;
    eo::run_context context(small_network(), 16, on);
    eo::sequence s(small_network().shape(), 8);
    push_all(s, {1, 2});
    std::stop_source source;
    const auto stop_after_2 = [&](std::size_t layer, std::span<const eo::layer_token>) {
        if (layer == 2) source.request_stop();
    };
    context.observe_layers(eo::layer_observer(stop_after_2));
    CHECK_FALSE(eo::run_pending(small_network(), 1, 6, s, context, source.get_token()));
    CHECK(s.frontier(2) == 2);
    CHECK(s.frontier(3) == 0);
    CHECK(eo::run_pending(small_network(), 1, 6, s, context));
    CHECK(s.frontier(6) == 2);
}
