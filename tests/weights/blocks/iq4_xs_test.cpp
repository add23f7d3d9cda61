// SPDX-License-Identifier: MIT
#include <earlyout/weights/blocks/iq4_xs.hpp>

#include "support/block_format.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("iq4_xs writes the codes and scales that it reads", "[weights][blocks]") {
    support::check_block_format<eo::iq4_xs>();
}

TEST_CASE("iq4_xs looks its values up", "[weights][blocks]") {
    STATIC_REQUIRE(eo::has_values<eo::iq4_xs>);
    CHECK(eo::detail::value_of<eo::iq4_xs>(0) == -127);
    CHECK(eo::detail::value_of<eo::iq4_xs>(15) == 113);
    for (const int value : eo::iq4_xs::values) CHECK((value + eo::iq4_xs::zero >= 0 && value + eo::iq4_xs::zero < 256));
}
