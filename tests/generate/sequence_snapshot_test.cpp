// SPDX-License-Identifier: MIT
#include <earlyout/generate/pending.hpp>
#include <earlyout/generate/sequence_snapshot.hpp>
#include <earlyout/nn/kv_pool.hpp>

#include <memory>
#include <random>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

namespace {

const eo::model_shape& snapshot_shape() { return small_network().shape(); }

void push(eo::sequence& to, const ids& tokens) {
    for (const eo::token_id id : tokens) to.push(small_network(), id);
}

/// The hidden state of the last token after all layers, once all that is pending has run.
std::vector<float> last_state(eo::sequence& of, eo::run_context& context) {
    of.need_from(of.size() - 1);
    REQUIRE(eo::run_pending(small_network(), 1, 6, of, context));
    const auto row = of.hidden_state(of.size() - 1);
    return {row.begin(), row.end()};
}

}  // namespace

TEST_CASE("a sequence goes on from a snapshot, with tokens pending at any layer", "[generate][sequence_snapshot]") {
    std::mt19937 engine(1);
    eo::run_context context(small_network(), 16, one_thread());
    const auto pool = std::make_shared<eo::kv_pool>(snapshot_shape(), eo::kv_format{}, 24);
    const ids first = random_prompt(engine, 9), second = random_prompt(engine, 5), other = random_prompt(engine, 4);

    eo::sequence original(snapshot_shape(), 40, pool);
    push(original, first);
    REQUIRE(eo::run_pending(small_network(), 1, 6, original, context));
    push(original, second);
    REQUIRE(eo::run_pending(small_network(), 1, 2, original, context));
    const eo::sequence_snapshot taken(snapshot_shape(), original, original.size(), pool);
    CHECK(taken.size() == 14);
    CHECK(taken.exact_prefix() == 14);
    push(original, other);
    (void)last_state(original, context);

    for (const std::size_t kept : {3u, 9u, 11u, 14u}) {
        ids tokens = first;
        tokens.insert(tokens.end(), second.begin(), second.end());
        tokens.resize(kept);
        eo::sequence restored(snapshot_shape(), 40, pool), fresh(snapshot_shape(), 40);
        push(restored, random_prompt(engine, 20));  // which it replaces
        REQUIRE(eo::run_pending(small_network(), 1, 3, restored, context));
        restored.restore(taken, kept);
        CHECK(std::ranges::equal(restored.ids(), tokens));
        CHECK(restored.frontier(1) == kept);
        CHECK(restored.frontier(3) == std::min<std::size_t>(kept, 9));
        push(restored, other);
        push(fresh, tokens);
        push(fresh, other);
        CHECK(same_bits(last_state(restored, context), last_state(fresh, context)));
    }
}

TEST_CASE("a snapshot knows what is exact", "[generate][sequence_snapshot]") {
    const auto pool = std::make_shared<eo::kv_pool>(snapshot_shape(), eo::kv_format{}, 12);
    eo::sequence original(snapshot_shape(), 40, pool);
    push(original, {1, 2, 3, 4, 5});
    original.mark_inexact(3);
    const eo::sequence_snapshot all(snapshot_shape(), original, 5, pool), exact(snapshot_shape(), original, 3, pool);
    CHECK(all.exact_prefix() == 3);
    CHECK(exact.exact_prefix() == 3);
    eo::sequence restored(snapshot_shape(), 40, pool);
    restored.restore(all, 5);
    CHECK(restored.exact_prefix() == 3);
    restored.restore(exact, 3);
    CHECK(restored.exact_prefix() == 3);
    restored.push(small_network(), 9);
    CHECK(restored.exact_prefix() == 4);
}
