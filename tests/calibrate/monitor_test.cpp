// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/monitor.hpp>

#include <cstddef>
#include <stop_token>
#include <string>
#include <string_view>

#include "support/catch.hpp"

namespace calibrate = earlyout::calibrate;

TEST_CASE("a monitor is told what goes on, and says when to end", "[calibrate][monitor]") {
    CHECK_NOTHROW(calibrate::monitor{}.report("nobody listens", 1, 2));
    CHECK_FALSE(calibrate::monitor{}.is_cancelled());
    std::stop_source cancelled;
    std::string told;
    const calibrate::monitor watch{cancelled.get_token(),
                                   [&](std::string_view what, std::size_t done, std::size_t all) {
                                       told = std::string(what) + std::to_string(done) + "/" + std::to_string(all);
                                   }};
    watch.report("reading ", 3, 4);
    CHECK(told == "reading 3/4");
    cancelled.request_stop();
    CHECK(watch.is_cancelled());
}
