// SPDX-License-Identifier: MIT
#include <earlyout/generate/run_stats.hpp>

#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("what a completion's counts come to", "[generate][run_stats]") {
    eo::run_stats stats;
    CHECK(stats.predictions() == 0);
    CHECK(stats.mean_exit_layer() == 0.0);
    CHECK(stats.layers_skipped() == 0.0);
    stats.layers = 8;
    stats.exit_histogram = {0, 0, 3, 0, 0, 0, 0, 0, 1};
    stats.new_tokens = 4;
    CHECK(stats.predictions() == 4);
    CHECK(stats.mean_exit_layer() == 14.0 / 4.0);
    CHECK(stats.layers_skipped() == 1.0 - 3.5 / 8.0);
    stats.decode_seconds = 0.5;
    CHECK(stats.decode_tokens_per_second() == 3 / 0.5);
}
