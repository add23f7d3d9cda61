// SPDX-License-Identifier: MIT
#include <earlyout/exit/logit_source.hpp>

#include <vector>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("signals take their logits from a source, when they are first read", "[exit][logit_source]") {
    support::exit_point at({2.0f, 1.0f});
    eo::logit_source& source = at;
    std::vector<float> out(2);
    source.logits(1, {}, out);
    CHECK(out == std::vector{2.0f, 1.0f});
    CHECK(source.summary(1, {}).top.index == 0);
    CHECK(at.heads_run() == 1);
    CHECK(at.summaries() == 1);
}
