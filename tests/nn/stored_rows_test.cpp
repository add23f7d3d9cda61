// SPDX-License-Identifier: MIT
#include <earlyout/nn/stored_rows.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;
using eo::dtype;

namespace {

constexpr std::size_t rows = 37;

/// Blocks of random codes, scale number i as 1 + i / 1024 in binary16.
std::vector<std::byte> blocks(dtype type, std::size_t cols = 96) {
    std::vector<std::byte> made(eo::bytes_of(type, rows * cols));
    std::uint32_t noise = 1;
    for (std::byte& b : made) b = static_cast<std::byte>((noise = noise * 1664525u + 1013904223u) >> 24);
    const std::size_t size = eo::block_bytes(type);
    for (std::size_t i = 0; i < made.size() / size; ++i) {
        made[i * size] = static_cast<std::byte>(i);
        made[i * size + 1] = std::byte{0x3c};
        if (type == dtype::q4_k) made[i * size + 3] = std::byte{0x3c};
    }
    return made;
}

/// Copies rows 2 .. 33 of a stored matrix to row 3 and on, and to a whole panel; compares every code and scale.
template <class Format>
void compare(dtype type, std::size_t cols = 96) {
    const std::vector<std::byte> stored = blocks(type, cols);
    const eo::tensor_view from{"w", type, {rows, cols}, stored};
    eo::packed_matrix<Format> into(rows, cols);
    REQUIRE(eo::kernels::take_rows(from, 2, 32, into, 3));
    std::vector<float> values(rows * cols);
    eo::to_floats(from, values, "f");
    eo::packed_matrix<Format> panel(rows, cols);
    REQUIRE(eo::kernels::take_rows(from, 2, 32, panel, 0));
    std::size_t wrong = 0;
    std::vector<float> row(cols);
    for (std::size_t r = 0; r < 32; ++r) {
        for (std::size_t g = 0; g < cols / 32 && type != dtype::q4_k; ++g) {
            const auto block = static_cast<std::uint16_t>((r + 2) * 3 + g);
            if (into.scale(r + 3, g).scale != eo::f16_to_float(0x3c00 | (block & 0xff))) ++wrong;
        }
        into.copy_row(r + 3, row.data());
        for (std::size_t k = 0; k < cols; ++k) wrong += row[k] != values[(r + 2) * cols + k];
        panel.copy_row(r, row.data());
        for (std::size_t k = 0; k < cols; ++k) wrong += row[k] != values[(r + 2) * cols + k];
    }
    CHECK(wrong == 0);
    into.copy_row(2, row.data());
    CHECK(row == std::vector<float>(cols, 0.0f));
}

}  // namespace

TEST_CASE("blocks are copied code by code", "[nn][stored_rows]") {
    compare<eo::int8>(dtype::q8_0);
    compare<eo::int4>(dtype::q4_0);
    compare<eo::int8>(dtype::q4_0);
    compare<eo::q5_0>(dtype::q5_0);
    compare<eo::q4_k>(dtype::q4_k, 512);
}

TEST_CASE("rows that would be rounded are not copied", "[nn][stored_rows]") {
    constexpr std::size_t cols = 96;
    const std::vector<std::byte> stored = blocks(dtype::q8_0);
    const eo::tensor_view q8{"w", dtype::q8_0, {rows, cols}, stored};
    eo::packed_matrix<eo::int4> fewer(rows, cols);
    eo::packed_matrix<eo::f16> halves(rows, cols);
    CHECK_FALSE(eo::kernels::take_rows(q8, 0, rows, fewer, 0));
    CHECK_FALSE(eo::kernels::take_rows(q8, 0, rows, halves, 0));

    std::vector<std::byte> infinite = stored;
    infinite[34 * 7 + 1] = std::byte{0x7c};
    eo::packed_matrix<eo::int8> into(rows, cols);
    CHECK_FALSE(eo::kernels::take_rows({"w", dtype::q8_0, {rows, cols}, infinite}, 0, rows, into, 0));
    CHECK_FALSE(eo::kernels::take_rows({"w", dtype::q8_0, {rows, cols}, infinite}, 0, 32, into, 0));
    CHECK(eo::kernels::take_rows({"w", dtype::q8_0, {rows, cols}, infinite}, 3, rows - 3, into, 0));
}

TEST_CASE("a matrix in stored format gets its format when it is filled", "[nn][stored_rows]") {
    constexpr std::size_t cols = 96;
    const auto name = [](dtype type) { return std::string(eo::kernels::format_of(type).name()); };
    CHECK(name(dtype::f32) + name(dtype::f16) + name(dtype::bf16) == "f32f16bf16");
    CHECK(name(dtype::q8_0) + name(dtype::q4_0) + name(dtype::q4_k) + name(dtype::q6_k) == "int8int4q4_kq6_k");
    CHECK(eo::kernels::common_format(eo::int4{}, eo::int4{}) == eo::int4{});
    CHECK(eo::kernels::common_format(eo::int4{}, eo::int8{}) == eo::int8{});
    CHECK(eo::kernels::common_format(eo::q4_k{}, eo::q6_k{}) == eo::int8{});
    CHECK(eo::kernels::common_format(eo::f16{}, eo::bf16{}) == eo::f32{});
    CHECK(eo::kernels::common_format(eo::int8{}, eo::f16{}) == eo::f32{});

    eo::packed_matrix<eo::any_format> into(rows, cols, eo::any_format("stored"));
    CHECK_FALSE(into.settled());
    CHECK(into.out() == rows);
    CHECK(into.in() == cols);
    into.settle(eo::kernels::format_of(dtype::q4_0));
    into.settle(eo::f32{});  // too late
    CHECK(std::string(into.format_name()) == "int4");
    const std::vector<std::byte> stored = blocks(dtype::q4_0);
    CHECK(eo::kernels::take_rows({"w", dtype::q4_0, {rows, cols}, stored}, 0, rows, into, 0));
}
