// SPDX-License-Identifier: MIT
#include <earlyout/core/token.hpp>

#include <type_traits>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("token ids are 32-bit numbers, of which negative ones are none", "[core][token]") {
    static_assert(sizeof(eo::token_id) == 4 && std::is_signed_v<eo::token_id>);
    CHECK(eo::token_id{-1} < eo::token_id{0});
}
