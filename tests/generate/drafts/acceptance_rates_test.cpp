// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/acceptance_rates.hpp>

#include <cstddef>
#include <vector>

#include "generate/drafts/draft_fakes.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;
using support::draft_of;

namespace {

/// Lets a drafter propose three tokens each time, of which each is accepted with the given probability.
void simulate_acceptance(eo::acceptance_rates& rates, support::random_source& random, const eo::draft& proposed,
                         float accepted, int rounds) {
    for (int i = 0; i < rounds; ++i) {
        std::size_t count = 0;
        while (count < proposed.size() && random.real(0.0f, 1.0f) < accepted) ++count;
        rates.learn(proposed, count, count < proposed.size());
    }
}

/// The mean over later rounds, in which single estimates scatter.
double mean_estimate(eo::acceptance_rates& rates, support::random_source& random, const eo::draft& proposed,
                     float accepted, std::size_t index) {
    double sum = 0.0;
    for (int i = 0; i < 400; ++i) {
        simulate_acceptance(rates, random, proposed, accepted, 1);
        sum += static_cast<double>(rates.probability(proposed, index));
    }
    return sum / 400;
}

}  // namespace

TEST_CASE("acceptance rates converge to the true ones, whatever the drafter states", "[generate][acceptance_rates]") {
    for (const float stated : {1.0f, 0.6f, 0.2f, 0.05f}) {
        for (const float truth : {0.1f, 0.3f, 0.5f, 0.8f, 0.95f}) {
            INFO("states " << stated << ", true " << truth);
            support::random_source random(5);
            eo::acceptance_rates rates;
            const eo::draft proposed = draft_of({1, 2, 3}, stated);
            simulate_acceptance(rates, random, proposed, truth, 300);
            CHECK_THAT(mean_estimate(rates, random, proposed, truth, 0), WithinAbs(truth, 0.09));
            if (truth >= 0.3f) CHECK_THAT(mean_estimate(rates, random, proposed, truth, 1), WithinAbs(truth, 0.09));
        }
    }
}

TEST_CASE("acceptance rates follow a change", "[generate][acceptance_rates]") {
    support::random_source random(6);
    eo::acceptance_rates rates;
    const eo::draft proposed = draft_of({1}, 1.0f);
    simulate_acceptance(rates, random, proposed, 0.95f, 2000);
    simulate_acceptance(rates, random, proposed, 0.1f, 150);
    CHECK(rates.probability(proposed, 0) < 0.3f);
    simulate_acceptance(rates, random, proposed, 0.95f, 150);
    CHECK(rates.probability(proposed, 0) > 0.75f);
}

TEST_CASE("acceptance rates tell drafters, matches and first tokens apart", "[generate][acceptance_rates]") {
    support::random_source random(7);
    eo::acceptance_rates rates;
    const eo::draft good = draft_of({1}, 1.0f, 0, 5), bad = draft_of({1}, 1.0f, 1, 5),
                    shallow = draft_of({1}, 1.0f, 0, 1);
    const float unknown = rates.probability(good, 0);
    simulate_acceptance(rates, random, good, 0.9f, 300);
    CHECK(rates.probability(good, 0) > unknown);
    CHECK(rates.probability(bad, 0) == unknown);
    CHECK(rates.probability(shallow, 0) == unknown);
    simulate_acceptance(rates, random, bad, 0.1f, 300);
    simulate_acceptance(rates, random, shallow, 0.4f, 300);
    CHECK(rates.probability(good, 0) > 0.75f);
    CHECK(rates.probability(bad, 0) < 0.3f);
    CHECK(rates.probability(shallow, 0) > 0.25f);
    CHECK(rates.probability(shallow, 0) < 0.6f);
    // Matches of similar length share theirs; 0, unknown, is as little as 1.
    CHECK(rates.probability(draft_of({1}, 1.0f, 0, 7), 0) == rates.probability(good, 0));
    CHECK(rates.probability(draft_of({1}, 1.0f, 0, 0), 0) == rates.probability(shallow, 0));
    CHECK(rates.probability(draft_of({1}, 1.0f, 0, 64), 0) == unknown);
    simulate_acceptance(rates, random, draft_of({1}, 1.0f, 0, 64), 0.1f, 300);
    CHECK(rates.probability(draft_of({1}, 1.0f, 0, 10000), 0) < 0.3f);
    // Drafters beyond those told apart share the last place.
    const std::size_t last = eo::acceptance_rates::max_drafters - 1;
    simulate_acceptance(rates, random, draft_of({1}, 1.0f, last + 5), 0.1f, 300);
    CHECK(rates.probability(draft_of({1}, 1.0f, last), 0) < 0.3f);
    CHECK(rates.probability(draft_of({1}, 1.0f, last - 1), 0) == unknown);

    // Later tokens may do better than first ones.
    eo::acceptance_rates by_index;
    const eo::draft two = draft_of({1, 2}, 1.0f);
    for (int i = 0; i < 300; ++i) by_index.learn(two, i % 2 == 0 ? 2 : 0, i % 2 != 0);
    CHECK_THAT(by_index.probability(two, 0), WithinAbs(0.5, 0.1));
    CHECK(by_index.probability(two, 1) > 0.9f);
}

TEST_CASE("an unknown drafter is believed in part, and later tokens as its first ones",
          "[generate][acceptance_rates]") {
    eo::acceptance_rates rates;
    const eo::draft sure = draft_of({1, 2}, 1.0f), unsure = draft_of({1, 2}, 0.5f);
    CHECK(rates.probability(sure, 0) > 0.3f);
    CHECK(rates.probability(sure, 0) < 1.0f);
    CHECK_THAT(rates.probability(unsure, 0), WithinAbs(rates.probability(sure, 0) / 2, 1e-6));
    CHECK(rates.probability(sure, 1) == rates.probability(sure, 0));
    for (int i = 0; i < 100; ++i) rates.learn(sure, 0, true);
    CHECK(rates.probability(sure, 1) < 0.1f);
    // A certain token is accepted, but nothing is entirely sure.
    for (int i = 0; i < 100; ++i) rates.learn(sure, 2, false);
    CHECK(rates.probability(sure, 0) > 0.9f);
    CHECK(rates.probability(sure, 0) < 1.0f);
    CHECK(rates.probability(draft_of({1}, 0.0f), 0) == 0.0f);
}

TEST_CASE("only what is known of a draft counts", "[generate][acceptance_rates]") {
    eo::acceptance_rates rates;
    const eo::draft two = draft_of({1, 2}, 1.0f);
    const float before = rates.probability(two, 0);
    for (int i = 0; i < 50; ++i) rates.learn(two, 0, false);
    CHECK(rates.probability(two, 0) == before);
    for (int i = 0; i < 50; ++i) rates.learn(two, 1, false);  // nothing is known of the second
    const float first = rates.probability(two, 0);
    CHECK(first > before);
    for (int i = 0; i < 50; ++i) rates.learn(two, 2, true);  // there is no third to refute
    CHECK(rates.probability(two, 0) >= first);
    for (int i = 0; i < 50; ++i) rates.learn(draft_of({1}, 0.0f), 0, true);
    CHECK(rates.probability(two, 0) < 1.0f);
    CHECK(rates.probability(two, 0) >= 0.0f);
}

TEST_CASE("the mean stated probability is the drafter's own", "[generate][acceptance_rates]") {
    eo::acceptance_rates rates;
    const eo::draft wide = draft_of({1, 2}, 0.4f);
    CHECK(rates.mean_stated(wide, 0) == 1.0f);
    CHECK(rates.mean_stated(wide, 1) == 1.0f);
    for (int i = 0; i < 50; ++i) rates.learn(wide, 0, true);
    CHECK_THAT(rates.mean_stated(wide, 0), WithinAbs(0.4, 1e-3));
    CHECK_THAT(rates.mean_stated(wide, 1), WithinAbs(0.4, 1e-3));  // as the first ones
    eo::draft falling;
    falling.push(1, 0.4f);
    falling.push(2, 0.8f);
    for (int i = 0; i < 300; ++i) rates.learn(falling, 2, false);
    CHECK_THAT(rates.mean_stated(wide, 0), WithinAbs(0.4, 1e-3));
    CHECK(rates.mean_stated(wide, 1) > 0.7f);
    CHECK(rates.mean_stated(draft_of({1}, 0.4f, 3), 0) == 1.0f);
}
