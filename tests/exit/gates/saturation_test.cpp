// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/saturation.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "exit/exit_walk.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using eo::decision;
using support::exit_walk;

namespace {

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
    double ab = 0.0, aa = 0.0, bb = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        ab += static_cast<double>(a[i]) * b[i];
        aa += static_cast<double>(a[i]) * a[i];
        bb += static_cast<double>(b[i]) * b[i];
    }
    return ab / std::sqrt(aa * bb);
}

/// The decision at the second of two exits.
decision second_of(const std::vector<float>& first, const std::vector<float>& second, float threshold) {
    exit_walk token({{0.0f}, {0.0f}}, {first, second});
    const std::vector<decision> made = token.ask(eo::saturation{.threshold = threshold});
    CHECK(made[0] == decision::go_on);
    CHECK(token.heads_run() == 0);
    return made[1];
}

}  // namespace

TEST_CASE("saturation exits when the cosine with the previous exit's state reaches its threshold",
          "[exit][saturation]") {
    support::random_source random(1);
    for (const std::size_t d : {1u, 3u, 20u, 33u, 160u}) {
        for (int repeat = 0; repeat < 5; ++repeat) {
            const std::vector<float> before = random.floats(d), now = random.floats(d, 30.0f);
            const auto expected = static_cast<float>(cosine(before, now));
            INFO("d_model " << d << ", cosine " << expected);
            CHECK(second_of(before, now, expected - 1e-5f) == decision::exit);
            CHECK(second_of(before, now, expected + 1e-5f) == decision::go_on);
        }
    }
}

TEST_CASE("saturation compares with the previous exit, not an earlier one", "[exit][saturation]") {
    // Turned by 90, 45 and 0 degrees.
    exit_walk token({{0}, {0}, {0}, {0}}, {{1, 0}, {0, 1}, {1, 1}, {3, 3}});
    CHECK(token.ask(eo::saturation{.threshold = 0.7f}) ==
          std::vector{decision::go_on, decision::go_on, decision::exit, decision::exit});
    CHECK(token.ask(eo::saturation{.threshold = 0.71f}) ==
          std::vector{decision::go_on, decision::go_on, decision::go_on, decision::exit});
    // No state of the previous token remains at the next one's first exit.
    CHECK(token.ask(eo::saturation{.threshold = -1.1f}).front() == decision::go_on);
}

TEST_CASE("saturation at its ends", "[exit][saturation]") {
    const std::vector<float> zero{0, 0}, some{3, -4}, opposite{-3, 4};
    CHECK(second_of(zero, some, -1.0f) == decision::go_on);
    CHECK(second_of(some, zero, -1.0f) == decision::go_on);
    CHECK(second_of(zero, zero, -1.0f) == decision::go_on);
    CHECK(second_of(some, some, 1.0f) == decision::exit);
    CHECK(second_of(some, some, 1.1f) == decision::go_on);
    CHECK(second_of(some, opposite, -0.9f) == decision::go_on);
    CHECK(second_of(some, opposite, -1.0f) == decision::exit);
    // Long states do not overflow.
    CHECK(second_of({3e15f, 4e15f}, {6e15f, 8e15f}, 0.999f) == decision::exit);
    CHECK(second_of({std::numeric_limits<float>::quiet_NaN(), 1}, some, -1.0f) == decision::go_on);
}
