// SPDX-License-Identifier: MIT
#include <earlyout/exit/signal_view.hpp>

#include <vector>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a view shows a token's exit, and as another gate would see it", "[exit][signal_view]") {
    support::exit_point at({0.0f, 3.0f, 1.0f}, {7.0f, 8.0f}, 4, 9);
    const eo::signal_view<eo::signal::argmax> view(at.signals());
    CHECK(view.layer() == 4);
    CHECK(view.position() == 9);
    CHECK(view.argmax() == 1);
    CHECK(at.heads_run() == 1);
    const auto other = view.as<eo::signal::hidden_state | eo::signal::margin>();
    CHECK(other.hidden_state()[1] == 8.0f);
    CHECK(other.margin() > 0.5f);
    CHECK(at.heads_run() == 1);  // the same exit, computed once
}
