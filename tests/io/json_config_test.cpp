// SPDX-License-Identifier: MIT
#include <earlyout/io/json_config.hpp>

#include <earlyout/text/json.hpp>

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

using earlyout::errc;
using earlyout::io::json_config;
using support::error_of;
using support::thrown;

TEST_CASE("a JSON object is read by keys with dots", "[io][config]") {
    const json_config config(
        earlyout::text::parse_json(R"({"size": 3, "scale": 2, "on": true, "name": "x", "none": null,
        "rope": {"factor": 8.5, "inner": {"a": 1}}, "rope.type": "linear", "types": ["full", "sliding"]})",
                                   "here"),
        "here");
    CHECK(config.integer("size") == 3);
    CHECK(config.real("scale") == 2.0);
    CHECK(config.boolean("on") == true);
    CHECK(config.text("name") == "x");
    CHECK(config.real("rope.factor") == 8.5);
    CHECK(config.integer("rope.inner.a") == 1);
    CHECK(config.text("rope.type") == "linear");
    CHECK(config.text("types.1") == "sliding");
    CHECK_FALSE(config.text("types.2"));
    CHECK_FALSE(config.integer("none"));
    CHECK(config.is_null("none"));
    CHECK_FALSE(config.is_null("size"));
    CHECK_FALSE(config.is_null("absent"));
    CHECK(config.members("rope") == std::vector<std::string>{"factor", "inner", "type"});
    CHECK_FALSE(config.members("size"));
    CHECK(error_of([&] { (void)config.integer("scale.x"); }).code == "none");
    CHECK(error_of([&] { (void)config.integer("name"); }) ==
          thrown(errc::malformed_file, {"here", "'name'", "a whole number", "x"}));
    CHECK(error_of([&] { (void)config.boolean("size"); }) ==
          thrown(errc::malformed_file, {"here", "'size'", "true or false", "3"}));
}
