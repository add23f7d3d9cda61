// SPDX-License-Identifier: MIT
#include <earlyout/text/json.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace text = earlyout::text;
using earlyout::errc;
using support::error_of;
using support::thrown;

TEST_CASE("JSON is parsed and refused with the source's name", "[text][json]") {
    CHECK(text::parse_json(R"({"a": [1, 2]})", "here").at("a").size() == 2);
    CHECK(error_of([] { (void)text::parse_json("{", "here"); }) == thrown(errc::malformed_file, {"here", "truncated"}));
    CHECK(error_of([] { (void)text::parse_json("{a}", "here"); }) == thrown(errc::malformed_file, {"here", "JSON"}));
    const std::string deep = std::string(66, '[') + std::string(66, ']');
    CHECK(error_of([&] { (void)text::parse_json(deep, "here"); }) == thrown(errc::malformed_file, {"here", "64"}));
    CHECK(text::parse_json(deep.substr(1, 130), "here").is_array());
}

TEST_CASE("a duplicate key is refused, or the last one counts", "[text][json]") {
    const char* const twice = R"({"a": 1, "a": 2})";
    CHECK(error_of([&] { (void)text::parse_json(twice, "here"); }) ==
          thrown(errc::malformed_file, {"here", "'a'", "twice"}));
    CHECK(text::parse_json(twice, "here", text::repeated_key::last_counts).at("a") == 2);
    CHECK(text::parse_json(R"([{"a": 1}, {"a": 2}])", "here").size() == 2);
}

TEST_CASE("numbers that are not finite are read as strings", "[text][json]") {
    const auto read = text::parse_json(R"({"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \" NaN"})", "here");
    CHECK(read.at("a") == "NaN");
    CHECK(read.at("b") == text::json::array({"-Infinity", "Infinity"}));
    CHECK(read.at("c") == "NaN \" NaN");
}
