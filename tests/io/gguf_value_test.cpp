// SPDX-License-Identifier: MIT
#include <earlyout/io/gguf_value.hpp>

#include <string>

#include "support/catch.hpp"

using earlyout::io::gguf_type;

TEST_CASE("types of GGUF values have the sizes and names of the format", "[io][gguf]") {
    CHECK(size_of(gguf_type::i8) == 1);
    CHECK(size_of(gguf_type::boolean) == 1);
    CHECK(size_of(gguf_type::u16) == 2);
    CHECK(size_of(gguf_type::f32) == 4);
    CHECK(size_of(gguf_type::i64) == 8);
    CHECK(size_of(gguf_type::f64) == 8);
    CHECK(std::string(to_string(gguf_type::u8)) == "u8");
    CHECK(std::string(to_string(gguf_type::f64)) == "f64");
    CHECK(std::string(to_string(static_cast<gguf_type>(13))) == "unknown");
    CHECK(is_integer(gguf_type::u64));
    CHECK_FALSE(is_integer(gguf_type::f32));
    CHECK_FALSE(is_integer(gguf_type::boolean));
    CHECK_FALSE(is_integer(gguf_type::f64));
}
