// SPDX-License-Identifier: MIT
#include <earlyout/core/number_text.hpp>

#include "support/catch.hpp"

using earlyout::detail::number_in;

TEST_CASE("a text that is a number", "[core][number_text]") {
    CHECK(number_in("0.5") == 0.5f);
    CHECK(number_in("-2") == -2.0f);
    CHECK(number_in("1e-3") == 1e-3f);
    CHECK(number_in("16777216") == 16777216.0f);
}

TEST_CASE("a text that is more or less than a number", "[core][number_text]") {
    for (const char* text : {"", " 1", "1 ", "+1", "0x10", "1,5", "a", "1.5.2", "-"}) {
        CAPTURE(text);
        CHECK_FALSE(number_in(text));
    }
}
