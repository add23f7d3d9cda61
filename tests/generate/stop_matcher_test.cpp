// SPDX-License-Identifier: MIT
#include <earlyout/generate/stop_matcher.hpp>

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;

TEST_CASE("text is shown up to a stop string, and held back where one may begin", "[generate][stop_matcher]") {
    const std::vector<std::string> stops{"END", "\n\n"};
    const eo::stop_matcher matcher(stops);
    CHECK(matcher.longest() == 3);
    const auto look = [&](const char* text, std::size_t seen) {
        const auto a = matcher.look(text, seen);
        return std::pair(a.shown, a.found);
    };
    CHECK(look("abc", 0) == std::pair<std::size_t, bool>(3, false));
    CHECK(look("abEN", 2) == std::pair<std::size_t, bool>(2, false));
    CHECK(look("abEND", 4) == std::pair<std::size_t, bool>(2, true));
    CHECK(look("abENx", 4) == std::pair<std::size_t, bool>(5, false));
    CHECK(look("a\n", 1) == std::pair<std::size_t, bool>(1, false));
    CHECK(look("a\n\nEND", 0) == std::pair<std::size_t, bool>(1, true));  // the first of both
    CHECK(eo::stop_matcher().look("END", 0).shown == 3);
    const std::vector<std::string> empty{""};
    CHECK(support::error_of([&] { (void)eo::stop_matcher(empty); }).code == "invalid_argument");
}
