// SPDX-License-Identifier: MIT
#include <earlyout/weights/blocks.hpp>

#include <cstddef>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("fields are the bits that they say, lowest first", "[weights][blocks]") {
    std::byte bytes[2] = {std::byte{0b10110001}, std::byte{0b01001110}};
    CHECK(eo::detail::field(bytes, 0, 4) == 1);
    CHECK(eo::detail::field(bytes, 1, 4) == 11);
    CHECK(eo::detail::field(bytes, 3, 2) == 2);
    CHECK(eo::detail::field(bytes, 9, 1) == 1);
    eo::detail::set_field(bytes, 3, 4, 15);
    eo::detail::set_field(bytes, 0, 1, 0);
    CHECK(bytes[0] == std::byte{0b10110000});
    CHECK(bytes[1] == std::byte{0b11111110});
    CHECK(eo::detail::signed_byte(127) == 127);
    CHECK(eo::detail::signed_byte(255) == -1);
}

TEST_CASE("a decoded weight is factor, scale and code, plus factor and minimum", "[weights][blocks]") {
    std::vector<std::byte> block(144);
    block[1] = std::byte{0x3c};  // 1
    block[3] = std::byte{0x40};  // 2
    eo::q4_k::set_scale(block.data(), 6, 33);
    eo::q4_k::set_minimum(block.data(), 6, 5);
    eo::q4_k::set_code(block.data(), 200, 7);
    std::vector<float> values(256);
    eo::detail::decode<eo::q4_k>(block.data(), values.data());
    CHECK(values[200] == 33.0f * 7.0f - 10.0f);
    CHECK(values[201] == -10.0f);
    CHECK(values[0] == 0.0f);
    CHECK(eo::detail::is_finite<eo::q4_k>(block.data()));
    block[3] = std::byte{0x7c};
    CHECK_FALSE(eo::detail::is_finite<eo::q4_k>(block.data()));
    std::vector<std::byte> exponent(17);
    CHECK(eo::detail::is_finite<eo::mxfp4>(exponent.data()));
    exponent[0] = std::byte{0xff};
    CHECK_FALSE(eo::detail::is_finite<eo::mxfp4>(exponent.data()));
}
