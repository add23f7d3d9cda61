// SPDX-License-Identifier: MIT
#include <earlyout/core/dispatch.hpp>

#include <span>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using support::error_of;
using support::thrown;

namespace dispatch_test {

EARLYOUT_DISPATCHED(twice, int(int x));

int EARLYOUT_VARIANT::twice(int x) { return 2 * x; }

int initialized = 0;

bool always() { return true; }
bool never() { return false; }

constexpr eo::variant::initializer initializers[] = {[](int, char**, char**) { ++initialized; },
                                                     [](int, char**, char**) { ++initialized; }};

}  // namespace dispatch_test

TEST_CASE("a program that nobody dispatches has one variant", "[dispatch]") {
    CHECK(dispatch_test::twice(4) == 8);
    auto& dispatcher = dispatch_test::twice.dispatcher();
    REQUIRE(dispatcher.variants().size() == 1);
    CHECK(dispatcher.chosen().name == eo::instruction_set);
    CHECK(dispatch_test::twice.in(eo::instruction_set)(5) == 10);
}

TEST_CASE("the widest variant that runs is chosen, unless another one is by name", "[dispatch]") {
    using dispatch_test::always, dispatch_test::never;
    eo::variant list[] = {{.name = "old", .runs_here = always},
                          {.name = "usual", .runs_here = always},
                          {.name = "new", .runs_here = never}};
    eo::dispatcher between{list};
    CHECK(between.chosen().name == "usual");
    between.choose("old");
    CHECK(between.chosen().name == "old");
    CHECK(error_of([&] { between.choose("new"); }) ==
          thrown(eo::errc::unsupported, {"expected one that this processor and its system have", "found new"}));
    CHECK(error_of([&] { between.choose("newer"); }) ==
          thrown(eo::errc::invalid_argument, {"(old, usual, new)", "found 'newer'"}));
    CHECK(between.chosen().name == "old");

    eo::variant older[] = {{.name = "old", .runs_here = always}, {.name = "usual", .runs_here = never}};
    CHECK(eo::dispatcher{older}.chosen().name == "old");
}

TEST_CASE("static initializers run once, when their variant is chosen", "[dispatch]") {
    using namespace dispatch_test;
    eo::variant list[] = {{.name = "old", .runs_here = always},
                          {.name = "new", .runs_here = always, .first = initializers, .last = initializers + 2}};
    eo::dispatcher between{list};
    initialized = 0;
    between.choose("old");
    CHECK(initialized == 0);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { between.choose("new"); });
    for (std::thread& one : threads) one.join();
    CHECK(initialized == 2);
    between.choose("old");
    between.choose("new");
    CHECK(initialized == 2);
}
