// SPDX-License-Identifier: MIT
#include <earlyout/generate/pending.hpp>
#include <earlyout/generate/prefix_store.hpp>

#include <memory>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

namespace {

class stored {
public:
    /// Keeps a sequence of these tokens, of which `exact` are.
    void keep(const ids& tokens, std::size_t exact = 40) {
        eo::sequence made(small_network().shape(), 40, pool);
        for (const eo::token_id id : tokens) made.push(small_network(), id);
        REQUIRE(eo::run_pending(small_network(), 1, 6, made, context_));
        made.mark_inexact(exact);
        store.keep(small_network().shape(), made);
    }
    std::size_t longest(const ids& prompt) const { return store.longest(prompt).size; }

    std::shared_ptr<eo::kv_pool> pool =
        std::make_shared<eo::kv_pool>(small_network().shape(), eo::kv_format{}, 6 * 300);
    eo::prefix_store store{pool};

private:
    eo::run_context context_{small_network(), 16, one_thread()};
};

}  // namespace

TEST_CASE("a prompt begins with the snapshot that has the most of it", "[generate][prefix_store]") {
    stored s;
    CHECK(s.longest({1, 2}) == 0);
    s.keep({1, 2, 3, 4});
    s.keep({1, 2, 9});
    s.keep({7, 7, 7}, 2);
    CHECK(s.longest({1, 2, 3, 8}) == 3);
    CHECK(s.longest({1, 2, 9, 8}) == 3);
    CHECK(s.longest({1, 2, 3, 4}) == 3);  // the prompt's last token runs
    CHECK(s.longest({1}) == 0);
    CHECK(s.longest({}) == 0);
    CHECK(s.longest({7, 7, 7, 7}) == 2);  // what is not exact is not kept
}

TEST_CASE("what continues a snapshot replaces it", "[generate][prefix_store]") {
    stored s;
    s.keep({1, 2});
    s.keep({1, 2, 3});
    CHECK(s.store.size() == 1);
    s.keep({1, 2});  // held already
    CHECK(s.store.size() == 1);
    s.keep({});
    s.keep({1, 2, 3, 4, 5}, 0);
    CHECK(s.store.size() == 1);
    CHECK(s.longest({1, 2, 3, 4}) == 3);
}

TEST_CASE("the least recently used snapshot goes first, and gives its pages back", "[generate][prefix_store]") {
    stored s;
    s.keep({1, 1, 1});
    s.keep({2, 2, 2});
    s.keep({3, 3, 3});
    CHECK(s.pool->available() == s.pool->pages() - 3 * 6);
    const auto* const first = s.store.longest(ids{1, 1, 9}).snapshot;
    s.store.touch(first);
    CHECK(s.store.drop_oldest());
    CHECK(s.longest({2, 2, 9}) == 0);
    CHECK(s.store.drop_oldest());
    CHECK(s.longest({3, 3, 9}) == 0);
    CHECK(s.longest({1, 1, 9}) == 2);
    CHECK(!s.store.drop_oldest(first));
    CHECK(s.store.drop_oldest());
    CHECK(!s.store.drop_oldest());
    CHECK(s.pool->available() == s.pool->pages());
    for (eo::token_id i = 0; i < 300; ++i) s.keep({i / 90, i % 90, 5});
    CHECK(s.store.size() == eo::prefix_store::max_snapshots);
    CHECK(s.longest({0, 0, 5, 5}) < 3);
}
