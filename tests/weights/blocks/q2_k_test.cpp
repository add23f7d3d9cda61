// SPDX-License-Identifier: MIT
#include <earlyout/weights/blocks/q2_k.hpp>

#include "support/block_format.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("q2_k writes the codes and scales that it reads", "[weights][blocks]") {
    support::check_block_format<eo::q2_k>();
}
