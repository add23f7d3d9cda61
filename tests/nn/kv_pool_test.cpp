// SPDX-License-Identifier: MIT
#include <earlyout/core/error.hpp>
#include <earlyout/kernels/formats.hpp>
#include <earlyout/nn/kv_pool.hpp>

#include <algorithm>
#include <cstddef>
#include <set>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;

TEST_CASE("a pool hands out pages that do not overlap, and takes them back", "[nn][kv_pool]") {
    const eo::model_shape shape{.layers = 2, .d_model = 8, .heads = 2, .kv_heads = 2, .head_dim = 4};
    eo::kv_pool pool(shape, eo::f16{}, 3);
    CHECK(pool.pages() == 3);
    CHECK(pool.page_entries() == eo::kv_pool::max_page_entries);
    CHECK(pool.page_bytes() >= 2 * 2 * (4 + 16) * eo::kv_pool::max_page_entries);
    CHECK(pool.page_bytes() == eo::kv_pool::page_bytes(shape, eo::f16{}));
    std::set<std::byte*> pages;
    for (std::size_t i = 0; i < 3; ++i) pages.insert(pool.take());
    CHECK(pool.available() == 0);
    REQUIRE(pages.size() == 3);
    CHECK(static_cast<std::size_t>(*pages.rbegin() - *pages.begin()) == 2 * pool.page_bytes());
    for (std::byte* const page : pages) {
        CHECK(reinterpret_cast<std::uintptr_t>(page) % 64 == 0);
        CHECK(!pool.is_shared(page));
    }
    std::byte* const one = *pages.begin();
    pool.share(one);
    CHECK(pool.is_shared(one));
    pool.release(one);
    CHECK(pool.available() == 0);
    CHECK(!pool.is_shared(one));
    pool.release(one);
    CHECK(pool.available() == 1);
    CHECK(pool.take() == one);
}

TEST_CASE("pages are as large as short caches need", "[nn][kv_pool]") {
    CHECK(eo::kv_pool::page_entries_for(1) == 32);
    CHECK(eo::kv_pool::page_entries_for(33) == 64);
    CHECK(eo::kv_pool::page_entries_for(100'000) == eo::kv_pool::max_page_entries);
    CHECK(eo::kv_pool::pages_for(0) == 0);
    CHECK(eo::kv_pool::pages_for(512) == 1);
    CHECK(eo::kv_pool::pages_for(513) == 2);
}

TEST_CASE("a pool without pages is refused", "[nn][kv_pool]") {
    const eo::model_shape shape{.layers = 1, .d_model = 1, .heads = 1, .kv_heads = 1, .head_dim = 1};
    CHECK(support::error_of([&] { eo::kv_pool(shape, eo::kv_format{}, 0); }) ==
          support::thrown(eo::errc::invalid_argument, {"KV pages", "at least 1", "found 0"}));
}
