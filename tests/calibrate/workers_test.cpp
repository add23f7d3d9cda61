// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/workers.hpp>

#include <cstddef>
#include <vector>

#include "calibrate/thread_workers.hpp"
#include "support/catch.hpp"

namespace calibrate = earlyout::calibrate;

TEST_CASE("every process takes the results of all shards in their order", "[calibrate][workers]") {
    const auto sum_of = [](calibrate::workers* among, std::vector<std::size_t>& computed) {
        // Floating-point sums depend on their order.
        double sum = 0.0;
        std::size_t next = 0;
        calibrate::for_each_shard(
            among,
            [&](std::size_t shard) {
                computed.push_back(shard);
                return std::vector<double>{1.0 / (1.0 + static_cast<double>(shard))};
            },
            [&](std::size_t shard, const std::vector<double>& part) {
                if (shard == next) ++next;
                sum += part.at(0);
            });
        return next == calibrate::shard_count ? sum : -1.0;
    };
    std::vector<std::size_t> all;
    const double alone = sum_of(nullptr, all);
    CHECK(all.size() == calibrate::shard_count);
    double expected = 0.0;
    for (std::size_t s = 0; s < calibrate::shard_count; ++s) expected += 1.0 / (1.0 + static_cast<double>(s));
    CHECK(alone == expected);
    for (const std::size_t count : {1u, 2u, 5u, 20u}) {
        INFO(count);
        std::vector<double> sums(count);
        std::vector<std::vector<std::size_t>> computed(count);
        support::run_workers(
            count, [&](calibrate::workers& among) { sums[among.rank()] = sum_of(&among, computed[among.rank()]); });
        std::size_t shards = 0;
        for (std::size_t rank = 0; rank < count; ++rank) {
            CHECK(sums[rank] == expected);
            shards += computed[rank].size();
        }
        CHECK(shards == calibrate::shard_count);  // none is computed twice
    }
}

TEST_CASE("a result is that of the process that has it", "[calibrate][workers]") {
    CHECK(calibrate::shared_result(nullptr, 0, 7) == 7);
    std::vector<std::size_t> found(3);
    support::run_workers(3, [&](calibrate::workers& among) {
        found[among.rank()] = calibrate::shared_result(&among, 1, among.rank() * 10);
    });
    CHECK(found == std::vector<std::size_t>{10, 10, 10});
}
