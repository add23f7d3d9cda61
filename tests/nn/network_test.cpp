// SPDX-License-Identifier: MIT
#include <earlyout/nn/network.hpp>

#include <earlyout/models/gpt2.hpp>
#include <earlyout/models/llama.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("what a network is", "[nn][network]") {
    static_assert(eo::network<eo::gpt2<>> && eo::network<eo::llama<>>);
    static_assert(!eo::network<int>);
    SUCCEED();
}
