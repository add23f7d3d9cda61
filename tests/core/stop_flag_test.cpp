// SPDX-License-Identifier: MIT
#include <earlyout/core/stop_flag.hpp>

#include <thread>
#include <version>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a flag is set in all copies", "[core][stop_flag]") {
    eo::stop_flag flag = eo::stop_flag::make();
    const eo::stop_flag copy = flag;
    CHECK_FALSE(copy.stop_requested());
    std::thread([flag]() mutable { flag.request_stop(); }).join();
    CHECK(copy.stop_requested());
    CHECK(flag.stop_requested());
    CHECK_FALSE(eo::stop_flag::make().stop_requested());
}

TEST_CASE("a flag that nobody made is never set", "[core][stop_flag]") {
    eo::stop_flag flag;
    flag.request_stop();
    CHECK_FALSE(flag.stop_requested());
}

#if defined(__cpp_lib_jthread)
TEST_CASE("the standard library's token is a flag", "[core][stop_flag]") {
    std::stop_source source;
    eo::stop_flag flag = source.get_token();
    CHECK_FALSE(flag.stop_requested());
    flag.request_stop();  // the source's to set
    CHECK_FALSE(flag.stop_requested());
    source.request_stop();
    CHECK(flag.stop_requested());
    CHECK(flag.token() == source.get_token());
    eo::stop_flag own = eo::stop_flag::make();
    own.request_stop();
    CHECK(own.token().stop_requested());
}
#endif
