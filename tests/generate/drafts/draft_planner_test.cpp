// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/draft_planner.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "generate/drafts/draft_fakes.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;
using support::draft_of;

namespace {

constexpr std::size_t simulated_limit = 15;

/// Seconds of a block of m tokens, with which a draft was verified.
using cost_curve = std::function<double(std::size_t)>;

cost_curve linear_cost(double slope) {
    return [slope](std::size_t m) { return 1.0 + slope * (static_cast<double>(m) - 1.0); };
}
/// Costs the same for each `tile` tokens.
cost_curve tiled_cost(std::size_t tile, double step) {
    return [tile, step](std::size_t m) { return 1.0 + step * static_cast<double>((m - 1) / tile); };
}

/// The most tokens per second of any fixed length, when each token is accepted with probability a if those before are.
double best_fixed_rate(double a, const cost_curve& cost) {
    double best = 0.0, tokens = 0.0, all = 1.0;
    for (std::size_t k = 0; k <= simulated_limit; ++k, all *= a) best = std::max(best, (tokens += all) / cost(k + 1));
    return best;
}

struct simulated_work {
    double tokens = 0.0, seconds = 0.0;
    std::size_t verified = 0, accepted = 0, rounds = 0;
    [[nodiscard]] double rate() const { return tokens / seconds; }
};

/// A model and a drafter with known costs and acceptance, in place of a session.
class planner_simulation {
public:
    planner_simulation(cost_curve cost, float stated, std::uint32_t seed, double noise = 0.1)
        : cost_(std::move(cost)), stated_(stated), noise_(noise), random_(seed) {}

    /// Steps of a drafter that looks up its drafts.
    simulated_work run(int steps, double a) {
        return run_steps(steps, a, 0, [&](eo::draft& proposed) -> std::size_t {
            if (!planner.wants_draft()) return 0;
            while (!proposed.is_full()) proposed.push(0, stated_);
            return planner.length(proposed);
        });
    }
    /// Steps of a drafter that drafts at exits, as many as the planner says. The cost includes theirs.
    simulated_work run_exits(int steps, double a) {
        constexpr std::size_t layers = 2;
        return run_steps(steps, a, layers, [&](eo::draft& proposed) -> std::size_t {
            if (!planner.wants_draft()) return 0;
            const std::size_t length = planner.plan_exits(0, proposed.limit()).length;
            while (proposed.size() < length) proposed.push(0, stated_);
            if (length != 0) proposed.set_layers(layers);
            return planner.length(proposed);
        });
    }

    eo::draft_planner planner;

private:
    template <class Propose>
    simulated_work run_steps(int steps, double a, std::size_t layers, Propose propose) {
        simulated_work work;
        for (int i = 0; i < steps; ++i) {
            eo::draft proposed(simulated_limit);
            const std::size_t length = propose(proposed);
            std::size_t right = 0;
            while (right < proposed.size() && static_cast<double>(random_.real(0.0f, 1.0f)) < a) ++right;
            const std::size_t accepted = std::min(right, length);
            // As drafting::learn() does: the token after the accepted ones tells about one more.
            const bool guessed = right > accepted;
            planner.learn(proposed, accepted + (guessed ? 1 : 0), accepted < proposed.size() && !guessed);
            const double exact = cost_(length + 1);
            const double measured = exact * (1.0 + noise_ * static_cast<double>(random_.real(-1.0f, 1.0f)));
            planner.observe(length + 1, length != 0 ? layers : 0, measured);
            work.tokens += static_cast<double>(accepted) + 1.0;
            work.seconds += exact;
            work.verified += length;
            work.accepted += accepted;
            work.rounds += length != 0 ? 1 : 0;
        }
        return work;
    }

    cost_curve cost_;
    float stated_;
    double noise_;
    support::random_source random_;
};

struct simulated_case {
    double a;
    cost_curve cost;
    const char* name;
};

}  // namespace

TEST_CASE("the planned length gives nearly as many tokens per second as the best fixed one",
          "[generate][draft_planner]") {
    const std::vector<simulated_case> cases{
        {0.95, linear_cost(0.05), "flat"},    {0.9, linear_cost(0.1), "0.1"},       {0.9, linear_cost(0.33), "0.33"},
        {0.7, linear_cost(0.1), "0.1"},       {0.7, linear_cost(0.33), "0.33"},     {0.5, linear_cost(0.2), "0.2"},
        {0.3, linear_cost(0.1), "0.1"},       {0.3, linear_cost(0.6), "0.6"},       {0.95, linear_cost(0.8), "0.8"},
        {0.8, tiled_cost(4, 0.7), "4 tiles"}, {0.8, tiled_cost(8, 0.9), "8 tiles"},
    };
    for (const simulated_case& c : cases) {
        for (const float stated : {1.0f, 0.7f, 0.2f}) {
            INFO("accepted with " << c.a << ", cost " << c.name << ", stated " << stated);
            planner_simulation simulation(c.cost, stated, 3);
            CHECK(simulation.run(2000, c.a).rate() >= 0.95 * best_fixed_rate(c.a, c.cost));
            // Not by chance: the length is the one that a draft of this acceptance deserves.
            CHECK(best_fixed_rate(c.a, c.cost) >= 1.0);
        }
    }
}

TEST_CASE("drafts at exits are nearly as long as would be best", "[generate][draft_planner]") {
    const std::vector<simulated_case> cases{
        {0.95, linear_cost(0.3), "0.3"}, {0.9, linear_cost(0.4), "0.4"}, {0.8, linear_cost(0.3), "0.3"},
        {0.7, linear_cost(0.5), "0.5"},  {0.6, linear_cost(0.7), "0.7"}, {0.9, linear_cost(0.7), "0.7"},
    };
    for (const simulated_case& c : cases) {
        for (const float stated : {0.9f, 0.5f}) {
            INFO("accepted with " << c.a << ", cost " << c.name << ", stated " << stated);
            planner_simulation simulation(c.cost, stated, 4);
            CHECK(simulation.run_exits(2000, c.a).rate() >= 0.95 * best_fixed_rate(c.a, c.cost));
        }
    }
}

TEST_CASE("drafts that are never accepted cost at most 2 % of the time", "[generate][draft_planner]") {
    for (const double slope : {0.05, 0.1, 0.33, 0.8}) {
        INFO("slope " << slope);
        planner_simulation looked_up(linear_cost(slope), 1.0f, 1), at_exits(linear_cost(slope), 0.8f, 1);
        for (planner_simulation* const s : {&looked_up, &at_exits}) {
            const simulated_work work = s == &looked_up ? s->run(1000, 0.0) : s->run_exits(1000, 0.0);
            CHECK(work.rounds > 0);  // it tried
            CHECK(work.accepted == 0);
            CHECK(work.seconds <= 1.02 * 1000.0);
            const simulated_work later = s == &looked_up ? s->run(1000, 0.0) : s->run_exits(1000, 0.0);
            CHECK(later.seconds <= 1.02 * 1000.0);
        }
    }
}

TEST_CASE("drafts are proposed less often while none is accepted, and at once again after one is",
          "[generate][draft_planner]") {
    eo::draft_planner planner;
    const eo::draft proposed = draft_of({1, 2}, 1.0f);
    const auto proposals_of = [&](int tokens, std::size_t accepted) {
        int count = 0;
        for (int i = 0; i < tokens; ++i) {
            if (!planner.wants_draft()) continue;
            planner.learn(proposed, accepted, accepted < 2);
            ++count;
        }
        return count;
    };
    CHECK(proposals_of(16, 0) == 16);
    (void)proposals_of(40, 0);
    const int rare = proposals_of(90, 0);
    CHECK(rare <= 12);
    CHECK(rare >= 8);
    while (!planner.wants_draft()) {
    }
    planner.learn(proposed, 1, true);
    CHECK(proposals_of(10, 1) == 10);
    // Having nothing to propose is no miss.
    for (int i = 0; i < 100; ++i) planner.learn(eo::draft{}, 0, false);
    CHECK(planner.wants_draft());
    CHECK(planner.wants_draft());
}

TEST_CASE("drafting recovers when drafts are accepted again", "[generate][draft_planner]") {
    planner_simulation simulation(linear_cost(0.2), 1.0f, 8);
    (void)simulation.run(1000, 0.9);
    (void)simulation.run(1000, 0.0);
    const simulated_work again = simulation.run(500, 0.9);
    CHECK(again.rate() >= 0.9 * best_fixed_rate(0.9, linear_cost(0.2)));

    planner_simulation exits(linear_cost(0.4), 0.9f, 8);
    (void)exits.run_exits(1000, 0.9);
    const simulated_work bad = exits.run_exits(1000, 0.0);
    CHECK(bad.rounds < 100);
    CHECK(bad.rate() > 0.97);
    // It tries from time to time, and no less often later.
    (void)exits.run_exits(3000, 0.0);
    CHECK(exits.run_exits(1000, 0.0).rounds >= 14);
    (void)exits.run_exits(500, 0.9);
    CHECK(exits.run_exits(500, 0.9).rate() >= 0.95 * best_fixed_rate(0.9, linear_cost(0.4)));
}

TEST_CASE("given costs are relative to a block of one token", "[generate][draft_planner]") {
    const std::vector<double> given{2.0, 3.0, 1.0};
    const eo::draft_planner planner{given};
    CHECK(planner.cost(1) == 1.0);
    CHECK(planner.cost(2) == 1.5);
    CHECK(planner.cost(3) == 1.0);  // more tokens never cost less than one
    CHECK(planner.cost(9) == 1.0);
    CHECK(planner.cost(2, 4) == 1.5);
    const eo::draft_planner unknown;
    CHECK(unknown.cost(1) == 1.0);
    CHECK(unknown.cost(4) > unknown.cost(2));
    CHECK(unknown.cost(2, 1) > unknown.cost(2));  // its draft ran layers
}

TEST_CASE("costs of blocks are measured separately for drafts that ran layers", "[generate][draft_planner]") {
    eo::draft_planner planner;
    for (int i = 0; i < 30; ++i) {
        planner.observe(1, 0, 0.1);
        planner.observe(4, 0, 0.2);
        planner.observe(4, 3, 0.3);
    }
    CHECK_THAT(planner.cost(4), WithinAbs(2.0, 0.01));
    CHECK_THAT(planner.cost(4, 3), WithinAbs(3.0, 0.01));
}

TEST_CASE("gain is the expected number of tokens over the cost of the block", "[generate][draft_planner]") {
    const std::vector<double> given{1.0, 1.25, 4.0};
    eo::draft_planner planner(given);
    const eo::draft one = draft_of({1}, 1.0f), two = draft_of({1, 2}, 1.0f), unlikely = draft_of({1}, 0.1f);
    const double p = static_cast<double>(planner.rates().probability(one, 0));
    CHECK(planner.gain(one) == (1.0 + p) / 1.25);
    CHECK(planner.length(one) == 1);
    CHECK(planner.gain(two) == planner.gain(one));  // the second token would cost more than it gives
    CHECK(planner.length(two) == 1);
    CHECK(planner.gain(unlikely) == 1.0);
    CHECK(planner.length(unlikely) == 0);
    CHECK(planner.gain(eo::draft{}) == 1.0);
    CHECK(planner.length(eo::draft{}) == 0);

    // From time to time one more, whose cost would otherwise not be known.
    int longer = 0;
    for (int i = 0; i < 160; ++i) longer += planner.length(two) == 2 ? 1 : 0;
    CHECK(longer == 10);
    for (int i = 0; i < 160; ++i) CHECK(planner.length(unlikely) == 0);

    // What ran layers is verified as it is.
    eo::draft at_exits = unlikely;
    at_exits.set_layers(2);
    CHECK(planner.length(at_exits) == 1);
}

TEST_CASE("a draft at exits is planned no longer than its limit", "[generate][draft_planner]") {
    const std::vector<double> free{1.0};
    eo::draft_planner planner(free);
    for (int i = 0; i < 100; ++i) {
        REQUIRE(planner.plan_exits(0, 0).length == 0);
        REQUIRE(planner.plan_exits(0, 3).length <= 3);
    }
    CHECK(planner.plan_exits(0, 3).length == 3);
    CHECK(planner.plan_exits(0, 3).gain > 1.5);
    // By drafter: another one was wrong all the time.
    for (int i = 0; i < 200; ++i) planner.learn(draft_of({1, 2}, 0.5f, 1), 0, true);
    CHECK(planner.plan_exits(0, 3).length == 3);
    CHECK(planner.plan_exits(1, 3).gain < 1.1);
}
