// SPDX-License-Identifier: MIT
#include <earlyout/core/error.hpp>

#include <locale>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "support/catch.hpp"

namespace eo = earlyout;
using eo::errc;

namespace {

/// Writes 50257 as 50.257, as a program's locale may.
struct grouping : std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
};

}  // namespace

TEST_CASE("fail throws a sentence of its parts and a code", "[core][error]") {
    try {
        eo::fail(errc::wrong_shape, "m.safetensors: tensor '", std::string("w"), "': expected ", 3, ", found ", 4u);
        FAIL("nothing was thrown");
    } catch (const eo::error& e) {
        CHECK(std::string(e.what()) == "m.safetensors: tensor 'w': expected 3, found 4");
        CHECK(e.code() == errc::wrong_shape);
    }
    static_assert(std::is_base_of_v<std::runtime_error, eo::error>);
}

TEST_CASE("every code has a name of its own", "[core][error]") {
    std::set<std::string> names;
    for (const errc code :
         {errc::invalid_argument, errc::out_of_range, errc::no_such_file, errc::malformed_file, errc::missing_tensor,
          errc::wrong_shape, errc::wrong_value, errc::unsupported, errc::mismatch, errc::io}) {
        names.insert(to_string(code));
    }
    CHECK(names.size() == 10);
    CHECK(names.count("unknown") == 0);
    CHECK(std::string(to_string(static_cast<errc>(99))) == "unknown");
}

TEST_CASE("a message's numbers do not follow the program's locale", "[core][error]") {
    const std::locale before = std::locale::global(std::locale(std::locale::classic(), new grouping));
    std::string message;
    try {
        eo::fail(errc::wrong_shape, "found ", 50257);
    } catch (const eo::error& e) {
        message = e.what();
    }
    std::locale::global(before);
    CHECK(message == "found 50257");
}
