// SPDX-License-Identifier: MIT
#include <earlyout/weights/blocks/int4.hpp>

#include "support/block_format.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("int4 writes the codes and scales that it reads", "[weights][blocks]") {
    support::check_block_format<eo::int4>();
}
