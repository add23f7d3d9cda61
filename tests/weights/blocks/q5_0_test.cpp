// SPDX-License-Identifier: MIT
#include <earlyout/weights/blocks/q5_0.hpp>

#include "support/block_format.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("q5_0 writes the codes and scales that it reads", "[weights][blocks]") {
    support::check_block_format<eo::q5_0>();
}
