// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/block_costs.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;
using support::error_of;
using support::thrown;

namespace {

void observe_blocks(eo::block_costs& costs, std::size_t m, double seconds, int times) {
    for (int i = 0; i < times; ++i) costs.observe(m, seconds);
}

}  // namespace

TEST_CASE("given block costs are used as they are, the last also for larger blocks", "[generate][block_costs]") {
    const std::vector<double> given{2.0, 3.0, 5.0};
    eo::block_costs costs(given);
    CHECK(costs.is_measured());
    CHECK(costs.seconds(1) == 2.0);
    CHECK(costs.seconds(2) == 3.0);
    CHECK(costs.seconds(3) == 5.0);
    CHECK(costs.seconds(eo::block_costs::max_tokens) == 5.0);
    observe_blocks(costs, 2, 100.0, 50);  // measures nothing
    CHECK(costs.seconds(2) == 3.0);
}

TEST_CASE("block costs that are not positive numbers are refused", "[generate][block_costs]") {
    const double no_number = std::nan(""), unbounded = std::numeric_limits<double>::infinity();
    for (const double wrong : {0.0, -1.0, no_number, unbounded}) {
        const std::vector<double> given{1.0, 1.5, wrong};
        CHECK(error_of([&] { eo::block_costs refused(given); }) ==
              thrown(eo::errc::invalid_argument, {"block costs", "numbers > 0", "for 3 tokens"}));
    }
}

TEST_CASE("nothing is known before a block ran, and a block that took no time says nothing",
          "[generate][block_costs]") {
    eo::block_costs costs({}, 0.25);
    const auto is_unknown = [&] { return !costs.is_measured() && costs.seconds(1) == 0.0 && costs.seconds(9) == 0.0; };
    CHECK(is_unknown());
    costs.observe(1, 0.0);
    costs.observe(1, -1.0);
    costs.observe(1, std::nan(""));
    costs.observe(0, 1.0);
    costs.observe(eo::block_costs::max_tokens + 1, 1.0);
    CHECK(is_unknown());
    CHECK(costs.prior(1) == 1.0);
    CHECK(costs.prior(5) == 2.0);
    costs.observe(eo::block_costs::max_tokens, 1.0);
    CHECK(costs.is_measured());
}

TEST_CASE("blocks that did not run are interpolated between those that did, and follow their slope beyond",
          "[generate][block_costs]") {
    eo::block_costs costs({}, 0.5);
    observe_blocks(costs, 1, 1.0, 3);
    CHECK(costs.seconds(1) == 1.0);
    CHECK(costs.seconds(3) == 2.0);  // one is known: the prior's slope
    observe_blocks(costs, 5, 2.0, 3);
    CHECK_THAT(costs.seconds(2), WithinAbs(1.25, 1e-12));
    CHECK_THAT(costs.seconds(4), WithinAbs(1.75, 1e-12));
    // Beyond, a little below their slope of 0.25, so that larger blocks are tried, but no less than the last.
    CHECK(costs.seconds(6) > 2.0);
    CHECK(costs.seconds(6) < 2.25);
    CHECK_THAT(costs.seconds(9) - costs.seconds(8), WithinAbs(costs.seconds(8) - costs.seconds(7), 1e-12));

    eo::block_costs falling;
    falling.observe(1, 2.0);
    falling.observe(2, 1.0);
    CHECK(falling.seconds(8) == 1.0);

    eo::block_costs large({}, 0.5);  // from a larger block down
    large.observe(3, 4.0);
    CHECK(large.seconds(1) == 2.0);
    CHECK(large.seconds(5) == 6.0);
}

TEST_CASE("block costs average what was measured lately", "[generate][block_costs]") {
    eo::block_costs costs;
    for (int i = 0; i < 10; ++i) costs.observe(2, i % 2 == 0 ? 1.0 : 3.0);
    CHECK_THAT(costs.seconds(2), WithinAbs(2.0, 0.1));
    observe_blocks(costs, 2, 3.0, 200);  // the context has become longer
    CHECK_THAT(costs.seconds(2), WithinAbs(3.0, 0.01));
}

TEST_CASE("an interrupted block hardly changes what is known of its size", "[generate][block_costs]") {
    eo::block_costs costs;
    observe_blocks(costs, 4, 1.0, 30);
    costs.observe(4, 1000.0);
    CHECK(costs.seconds(4) > 1.0);
    CHECK(costs.seconds(4) < 1.05);
}

TEST_CASE("what was measured long ago is drawn towards its neighbours", "[generate][block_costs]") {
    eo::block_costs costs;
    observe_blocks(costs, 1, 1.0, 20);
    costs.observe(2, 50.0);  // the first one, and slow
    observe_blocks(costs, 3, 1.4, 20);
    const double before = costs.seconds(2);
    CHECK(before > 40.0);
    for (int i = 0; i < 256; ++i) costs.age();
    // One half-life more: half as far from the 1.2 that the others suggest.
    CHECK_THAT(costs.seconds(2) - 1.2, WithinAbs((before - 1.2) / 2, 1e-9));
    for (int i = 0; i < 4000; ++i) costs.age();
    CHECK_THAT(costs.seconds(2), WithinAbs(1.2, 0.01));
    // One without neighbours remains.
    eo::block_costs alone;
    alone.observe(1, 1.0);
    for (int i = 0; i < 4000; ++i) alone.age();
    CHECK(alone.seconds(1) == 1.0);
}
