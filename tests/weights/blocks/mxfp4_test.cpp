// SPDX-License-Identifier: MIT
#include <earlyout/weights/blocks/mxfp4.hpp>

#include "support/block_format.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("mxfp4 writes the codes and scales that it reads", "[weights][blocks]") {
    support::check_block_format<eo::mxfp4>();
}

TEST_CASE("mxfp4 looks its values up", "[weights][blocks]") {
    STATIC_REQUIRE(eo::has_values<eo::mxfp4>);
    CHECK(eo::detail::value_of<eo::mxfp4>(0) == 0);
    CHECK(eo::detail::value_of<eo::mxfp4>(15) == -12);
    for (const int value : eo::mxfp4::values) CHECK((value + eo::mxfp4::zero >= 0 && value + eo::mxfp4::zero < 256));
}
