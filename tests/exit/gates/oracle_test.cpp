// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/oracle.hpp>

#include <vector>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
using support::exit_point;

TEST_CASE("the oracle exits where the arg-max is the expected token", "[exit][oracle]") {
    const std::vector<eo::token_id> right{2, 0, 1};
    const std::vector<float> says_one{0.0f, 4.0f, 1.0f};
    for (std::size_t position = 0; position < 5; ++position) {
        exit_point at(says_one, {0.0f}, 1, position);
        CHECK(at.ask(eo::oracle{right}) == (position == 2 ? eo::decision::exit : eo::decision::go_on));
        // Past the end there is nothing to compare with, so nothing is computed.
        CHECK(at.heads_run() == (position < 3 ? 1 : 0));
    }
    exit_point at(says_one);
    CHECK(at.ask(eo::oracle{}) == eo::decision::go_on);
}
