// SPDX-License-Identifier: MIT
#include <earlyout/weights/blocks/q4_k.hpp>

#include "support/block_format.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("q4_k writes the codes and scales that it reads", "[weights][blocks]") {
    support::check_block_format<eo::q4_k>();
}
