// SPDX-License-Identifier: MIT
#include <earlyout/weights/flat_config.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using support::error_of;
using support::thrown;

TEST_CASE("a configuration distinguishes null from absent", "[weights][flat_config]") {
    eo::flat_config c("by hand");
    c.set("n", std::int64_t{3});
    c.set("window", nullptr);
    CHECK(c.is_null("window"));
    CHECK_FALSE(c.is_null("n"));
    CHECK_FALSE(c.is_null("absent"));
    CHECK_FALSE(c.integer("window"));
    CHECK_FALSE(c.real("window"));
    CHECK_FALSE(c.boolean("window"));
    CHECK_FALSE(c.text("window"));
    c.set("window", std::int64_t{7});
    CHECK_FALSE(c.is_null("window"));
    CHECK(c.integer("window") == 7);
}

TEST_CASE("a configuration refuses a value of another kind", "[weights][flat_config]") {
    eo::flat_config c("by hand");
    c.set("x", 0.5);
    CHECK(c.real("x") == 0.5);
    CHECK(error_of([&] { (void)c.integer("x"); }) == thrown(eo::errc::malformed_file, {"by hand", "'x'", "whole"}));
    CHECK(error_of([&] { (void)c.text("x"); }) == thrown(eo::errc::malformed_file, {"'x'", "string"}));
}
