// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/shards.hpp>

#include <numeric>
#include <span>
#include <vector>

#include "support/catch.hpp"

namespace calibrate = earlyout::calibrate;

TEST_CASE("shards cover everything once, in order, however many items there are", "[calibrate][shards]") {
    for (const std::size_t count : {0u, 1u, 5u, 16u, 17u, 1000u}) {
        std::vector<int> items(count);
        std::iota(items.begin(), items.end(), 0);
        std::vector<int> seen;
        for (std::size_t s = 0; s < calibrate::shard_count; ++s) {
            const auto shard = calibrate::shard_of(std::span<const int>(items), s);
            seen.insert(seen.end(), shard.begin(), shard.end());
        }
        CHECK(seen == items);
    }
}
