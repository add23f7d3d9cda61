// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/fixed_layer.hpp>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("fixed_layer exits from its layer on and computes nothing", "[exit][fixed_layer]") {
    for (std::size_t layer = 1; layer <= 6; ++layer) {
        support::exit_point at({1.0f, 2.0f}, {0.0f}, layer);
        for (std::size_t wanted = 1; wanted <= 7; ++wanted) {
            CHECK(at.ask(eo::fixed_layer{.layer = wanted}) ==
                  (layer >= wanted ? eo::decision::exit : eo::decision::go_on));
        }
        CHECK(at.heads_run() == 0);
    }
}
