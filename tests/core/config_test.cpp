// SPDX-License-Identifier: MIT
#include <earlyout/core/config.hpp>

#include <string>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("the version is its parts", "[core][config]") {
    CHECK(std::string(eo::version) == std::to_string(EARLYOUT_VERSION_MAJOR) + "." +
                                          std::to_string(EARLYOUT_VERSION_MINOR) + "." +
                                          std::to_string(EARLYOUT_VERSION_PATCH));
}

TEST_CASE("the namespace is named after version and instruction set", "[core][config]") {
    const std::string abi = EARLYOUT_DETAIL_STR(EARLYOUT_ABI);
    const std::string minor = std::to_string(EARLYOUT_VERSION_MAJOR) + "_" + std::to_string(EARLYOUT_VERSION_MINOR);
    CHECK(abi == "v" + minor + "_" + eo::instruction_set);
    CHECK(&eo::EARLYOUT_ABI::version == &eo::version);
}
