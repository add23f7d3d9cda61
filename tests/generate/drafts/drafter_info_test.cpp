// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/drafter_info.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a drafter's parameters are optional", "[generate][drafter_info]") {
    static constexpr eo::gate_parameter parameters[]{{.name = "length", .meaning = "max tokens", .comparison = "<="}};
    static constexpr eo::drafter_info plain{.name = "repeat", .brief = "the last token again"},
        with{.name = "repeat", .brief = "the last token again", .parameters = parameters};
    CHECK(plain.parameters.empty());
    CHECK(with.parameters.size() == 1);
    CHECK(with.parameters[0].name == "length");
}
