// SPDX-License-Identifier: MIT
#include <earlyout/core/processor_name.hpp>

#include <string>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a processor is named with its family and model", "[core][processor_name]") {
    CHECK(eo::detail::processor_of("processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n"
                                   "model name\t: AMD EPYC\n\nprocessor\t: 1\nmodel\t\t: 18\n") ==
          "AMD EPYC, family 25, model 17");
    CHECK(eo::detail::processor_of("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n") ==
          "implementer 0x41, part 0xd0c");
    CHECK(eo::detail::processor_of("").empty());
    CHECK(eo::detail::processor_of("model\t\t:\nmodel name").empty());
    CHECK(eo::processor_name() == eo::processor_name());
}
