// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/margin.hpp>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
using support::exit_point;

TEST_CASE("margin exits when p1 - p2 reaches its threshold", "[exit][margin]") {
    const std::vector<float> logits{1.0f, 3.0f, 2.5f, -4.0f};
    const std::vector<double> p = support::probabilities(logits);
    const auto margin = static_cast<float>(p[1] - p[2]);
    exit_point at(logits);
    CHECK(at.ask(eo::margin{.threshold = margin - 1e-5f}) == eo::decision::exit);
    CHECK(at.ask(eo::margin{.threshold = margin + 1e-5f}) == eo::decision::go_on);
    CHECK(at.ask(eo::margin{.threshold = 0.0f}) == eo::decision::exit);
    CHECK(at.heads_run() == 1);
}

TEST_CASE("margin at its ends", "[exit][margin]") {
    exit_point tie({2.0f, 2.0f, 1.0f});
    CHECK(tie.ask(eo::margin{.threshold = 1e-6f}) == eo::decision::go_on);
    CHECK(tie.ask(eo::margin{.threshold = 0.0f}) == eo::decision::exit);
    exit_point certain({200.0f, 0.0f});
    CHECK(certain.ask(eo::margin{.threshold = 1.0f}) == eo::decision::exit);
    CHECK(certain.ask(eo::margin{.threshold = 1.5f}) == eo::decision::go_on);
}
