// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/kl_divergence.hpp>

#include <cmath>
#include <vector>

#include "exit/exit_point.hpp"
#include "exit/exit_walk.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using eo::decision;
using support::exit_walk;

namespace {

double divergence(const std::vector<float>& now, const std::vector<float>& before) {
    const auto p = support::probabilities(now), q = support::probabilities(before);
    double sum = 0.0;
    for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] * std::log(p[i] / q[i]);
    return sum;
}

}  // namespace

TEST_CASE("kl_divergence exits when the distribution has settled", "[exit][kl_divergence]") {
    support::random_source random(3);
    for (const std::size_t vocab : {1u, 2u, 15u, 97u, 1000u}) {
        const std::vector<float> first = random.floats(vocab, 2.0f), second = random.floats(vocab, 2.0f);
        const auto expected = static_cast<float>(divergence(second, first));
        INFO(vocab << " tokens, " << expected << " nats");
        exit_walk token({first, second});
        const auto decisions = [&](float threshold) { return token.ask(eo::kl_divergence{threshold}); };
        CHECK(decisions(expected + 1e-4f) == std::vector{decision::go_on, decision::exit});
        if (vocab > 1) CHECK(decisions(expected - 1e-4f) == std::vector{decision::go_on, decision::go_on});
    }
}

TEST_CASE("kl_divergence compares with the previous exit, not with an earlier one", "[exit][kl_divergence]") {
    // The second exit has another distribution, the third the same as the second.
    exit_walk token({{5.0f, 0.0f}, {0.0f, 5.0f}, {0.0f, 5.0f}});
    CHECK(token.ask(eo::kl_divergence{0.5f}) == std::vector{decision::go_on, decision::go_on, decision::exit});
    // A new token starts without a previous exit.
    CHECK(token.ask(eo::kl_divergence{1e6f}).front() == decision::go_on);
    CHECK(eo::signals_of(eo::kl_divergence{}) == eo::signal_set(eo::signal::divergence));
}
