// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/entropy.hpp>

#include <cmath>
#include <vector>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::exit_point;

TEST_CASE("entropy exits when H(p) falls to its threshold", "[exit][entropy]") {
    support::random_source random(1);
    for (const std::size_t vocab : {2u, 7u, 97u, 4096u}) {
        const std::vector<float> logits = random.floats(vocab, 3.0f);
        double expected = 0.0;
        for (const double p : support::probabilities(logits)) expected -= p * std::log(p);
        const auto entropy = static_cast<float>(expected);
        exit_point at(logits);
        INFO("vocab " << vocab << ", H " << expected);
        CHECK(at.ask(eo::entropy{.threshold = entropy + 1e-4f}) == eo::decision::exit);
        CHECK(at.ask(eo::entropy{.threshold = entropy - 1e-4f}) == eo::decision::go_on);
        CHECK(at.heads_run() == 1);
    }
}

TEST_CASE("entropy at its ends", "[exit][entropy]") {
    exit_point uniform({2.0f, 2.0f, 2.0f, 2.0f});
    CHECK(uniform.ask(eo::entropy{.threshold = std::log(4.0f) + 1e-5f}) == eo::decision::exit);
    CHECK(uniform.ask(eo::entropy{.threshold = std::log(4.0f) - 1e-5f}) == eo::decision::go_on);
    exit_point certain({200.0f, 0.0f});
    CHECK(certain.ask(eo::entropy{.threshold = 0.0f}) == eo::decision::exit);
    CHECK(certain.ask(eo::entropy{.threshold = -1.0f}) == eo::decision::go_on);
    exit_point only({5.0f});
    CHECK(only.ask(eo::entropy{.threshold = 1e-6f}) == eo::decision::exit);
}
