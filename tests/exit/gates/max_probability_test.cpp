// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/max_probability.hpp>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
using support::exit_point;

TEST_CASE("max_probability exits when p1 reaches its threshold", "[exit][max_probability]") {
    const std::vector<float> logits{0.5f, 1.5f, 1.4f, 0.0f, -2.0f};
    const auto most = static_cast<float>(support::probabilities(logits)[1]);
    exit_point at(logits);
    CHECK(at.ask(eo::max_probability{.threshold = most - 1e-5f}) == eo::decision::exit);
    CHECK(at.ask(eo::max_probability{.threshold = most + 1e-5f}) == eo::decision::go_on);
    CHECK(at.heads_run() == 1);
    // Two tokens of equal probability may reach the threshold; a margin would not.
    exit_point tie({9.0f, 9.0f, 0.0f});
    CHECK(tie.ask(eo::max_probability{.threshold = 0.49f}) == eo::decision::exit);
    CHECK(tie.ask(eo::max_probability{.threshold = 0.51f}) == eo::decision::go_on);
    exit_point certain({200.0f, 0.0f});
    CHECK(certain.ask(eo::max_probability{.threshold = 1.0f}) == eo::decision::exit);
    CHECK(certain.ask(eo::max_probability{.threshold = 1.1f}) == eo::decision::go_on);
}
