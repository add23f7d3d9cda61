// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/always.hpp>

#include <type_traits>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("always_exit and never_exit compute nothing and keep nothing", "[exit][always]") {
    support::exit_point at({1.0f, 2.0f}, {0.0f}, 3, 9);
    CHECK(at.ask(eo::always_exit{}) == eo::decision::exit);
    CHECK(at.ask(eo::never_exit{}) == eo::decision::go_on);
    CHECK(at.heads_run() == 0);
    static_assert(std::is_empty_v<eo::always_exit> && std::is_empty_v<eo::never_exit>);
    static_assert(std::is_same_v<eo::token_state_of<eo::always_exit>, eo::no_state>);
}
