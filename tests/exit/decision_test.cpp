// SPDX-License-Identifier: MIT
#include <earlyout/exit/decision.hpp>

#include <string>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("decisions have names", "[exit][decision]") {
    CHECK(to_string(eo::decision::go_on) == std::string("go_on"));
    CHECK(to_string(eo::decision::exit) == std::string("exit"));
    CHECK(to_string(eo::decision::stop) == std::string("stop"));
    CHECK(to_string(eo::decision::spent) == std::string("spent"));
    CHECK(to_string(static_cast<eo::decision>(77)) == std::string("unknown"));
}
