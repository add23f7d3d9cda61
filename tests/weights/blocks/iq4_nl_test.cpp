// SPDX-License-Identifier: MIT
#include <earlyout/weights/blocks/iq4_nl.hpp>

#include "support/block_format.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("iq4_nl writes the codes and scales that it reads", "[weights][blocks]") {
    support::check_block_format<eo::iq4_nl>();
}

TEST_CASE("iq4_nl looks its values up", "[weights][blocks]") {
    STATIC_REQUIRE(eo::has_values<eo::iq4_nl>);
    CHECK(eo::detail::value_of<eo::iq4_nl>(0) == -127);
    CHECK(eo::detail::value_of<eo::iq4_nl>(15) == 113);
    for (const int value : eo::iq4_nl::values) CHECK((value + eo::iq4_nl::zero >= 0 && value + eo::iq4_nl::zero < 256));
}
