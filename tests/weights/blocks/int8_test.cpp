// SPDX-License-Identifier: MIT
#include <earlyout/weights/blocks/int8.hpp>

#include "support/block_format.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("int8 writes the codes and scales that it reads", "[weights][blocks]") {
    support::check_block_format<eo::int8>();
}
