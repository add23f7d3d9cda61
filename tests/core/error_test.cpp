// SPDX-License-Identifier: MIT
#include <earlyout/core/error.hpp>

#include <locale>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::errc;

namespace {

/// Writes 50257 as 50.257, as a program's locale may.
struct grouping : std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
};

}  // namespace

TEST_CASE("fail throws a message of its parts and a code", "[core][error]") {
    try {
        eo::fail(errc::wrong_shape, "m.safetensors: tensor '", std::string("w"), "': expected ", 3, ", found ", 4u);
        FAIL("nothing was thrown");
    } catch (const eo::error& e) {
        CHECK(std::string(e.what()) == "m.safetensors: tensor 'w': expected 3, found 4");
        CHECK(e.code() == errc::wrong_shape);
    }
    static_assert(std::is_base_of_v<std::runtime_error, eo::error>);
}

TEST_CASE("every code has a unique name", "[core][error]") {
    std::set<std::string> names;
    for (const errc code : {errc::invalid_argument, errc::out_of_range, errc::no_such_file, errc::malformed_file,
                            errc::missing_tensor, errc::wrong_shape, errc::wrong_value, errc::unsupported,
                            errc::mismatch, errc::io, errc::out_of_memory, errc::resources}) {
        names.insert(to_string(code));
    }
    CHECK(names.size() == 12);
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

TEST_CASE("strings of a file are shortened and made printable, a path is not", "[core][error]") {
    const std::string path = "/" + std::string(1000, 'p') + "/\xc3\xa4\n";
    const std::string name = "a\x1b[2J\xff" + std::string(300'000, 'x');
    const std::string message =
        support::error_of([&] { eo::fail(errc::malformed_file, path, ": '", name, "'"); }).message;
    CHECK(message.starts_with("/" + std::string(1000, 'p') + "/\xc3\xa4?: 'a?[2J?xxx"));
    CHECK(message.ends_with("xxx...'"));
    CHECK(message.size() < 1300);
}

TEST_CASE("exceptions of the system become errors with a code", "[core][error]") {
    const auto thrown_as = [](auto exception) {
        return support::error_of([&] { eo::detail::only_errors("m.gguf", [&] { throw exception; }); });
    };
    CHECK(thrown_as(std::bad_alloc()) == support::thrown(errc::out_of_memory, {"m.gguf: not enough memory"}));
    CHECK(thrown_as(std::length_error("vector")) == support::thrown(errc::out_of_memory, {"m.gguf"}));
    CHECK(thrown_as(std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again))) ==
          support::thrown(errc::resources, {"m.gguf: Resource temporarily unavailable"}));
    CHECK(thrown_as(std::system_error(std::make_error_code(std::errc::io_error))) ==
          support::thrown(errc::io, {"m.gguf"}));
    CHECK(thrown_as(eo::error(errc::mismatch, "as it was")) == support::thrown(errc::mismatch, {"as it was"}));
    CHECK(thrown_as(std::runtime_error("a caller's")).code == "other");
    CHECK(std::string(eo::error(errc::out_of_memory).what()) == "not enough memory");
}
