// SPDX-License-Identifier: MIT
#include <earlyout/kernels/packing_groups.hpp>

#include <earlyout/core/matrix_view.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "support/random_blocks.hpp"

namespace eo = earlyout;

TEMPLATE_LIST_TEST_CASE("blocks come back as they were stored, wherever their row is", "[kernels][packing_groups]",
                        support::group_formats) {
    constexpr eo::block_layout layout = TestType::layout;
    const std::size_t in = 2 * layout.values, size = eo::block_bytes(TestType::stored);
    eo::packed_matrix<TestType> matrix(70, in);
    CHECK(matrix.panels() == 3);
    CHECK(matrix.blocks() == 2);
    CHECK(matrix.groups() == in / 32);
    CHECK(matrix.bytes() == 96 * eo::bytes_of(TestType::stored, in));  // the file's, for whole panels
    CHECK(matrix.bytes_from(1) == matrix.bytes() / 3 * 2);
    CHECK(std::string(matrix.format_name()) == TestType::name);
    support::random_source random(2);
    const std::vector<std::byte> blocks = support::random_blocks<TestType>(random, 70 * 2);
    // Back and forth through the rows: neighbours in a panel share words.
    for (std::size_t i = 0; i < 140; ++i) {
        const std::size_t at = i * 37 % 140;
        matrix.set_block(at / 2, at % 2, blocks.data() + at * size);
    }
    std::vector<float> row(in), expected(in);
    for (std::size_t r = 0; r < 70; ++r) {
        for (std::size_t b = 0; b < 2; ++b) {
            const std::byte* const block = blocks.data() + (r * 2 + b) * size;
            eo::detail::decode<TestType>(block, expected.data() + b * layout.values);
            for (std::size_t i = 0; i < layout.values; ++i) {
                REQUIRE(matrix.codes(r, (b * layout.values + i) / 32)[i % 32] == TestType::code(block, i));
            }
        }
        matrix.copy_row(r, row.data());
        REQUIRE(row == expected);
    }
    // The panels of 32 rows at once, over other contents.
    eo::packed_matrix<TestType> panels(70, in);
    for (std::size_t p = 0; p < 2; ++p) {
        for (std::size_t b = 0; b < 2; ++b) panels.set_blocks(p, 1 - b, blocks.data() + b * size, size);
        for (std::size_t b = 0; b < 2; ++b) {
            panels.set_blocks(p, b, blocks.data() + (p * 64 + b) * size, 2 * size);
        }
    }
    CHECK(std::equal(panels.panel(0), panels.panel(2), matrix.panel(0)));
    eo::packed_matrix<TestType> attached(70, in), infinite(70, in);
    attached.adopt(matrix.share());
    attached.copy_row(69, row.data());
    REQUIRE(row == expected);
    std::vector<std::byte> bad(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(size));
    if (layout.is_exponent) bad[0] = std::byte{0xff};
    if (!layout.is_exponent) bad[layout.factor + 1] = std::byte{0x7c};
    CHECK_FALSE(eo::detail::is_finite<TestType>(bad.data()));
    infinite.set_block(41, 1, bad.data());
    CHECK(support::error_of([&] { attached.adopt(infinite.share()); }) ==
          support::thrown(eo::errc::wrong_value, {"finite"}));
}

TEMPLATE_LIST_TEST_CASE("rows of floats and their transpose are rounded alike, into rows of their own",
                        "[kernels][packing_groups]", support::group_formats) {
    support::random_source random(5);
    const bool padded = TestType::layout.values == eo::group_size;
    for (const std::size_t out : {1u, 31u, 33u, 97u}) {
        for (const std::size_t in : padded ? std::vector<std::size_t>{1, 32, 65} : std::vector<std::size_t>{256, 512}) {
            const auto rows = random.floats(out * in);
            std::vector<float> columns(in * out);
            for (std::size_t r = 0; r < out; ++r) {
                for (std::size_t k = 0; k < in; ++k) columns[k * out + r] = rows[r * in + k];
            }
            eo::packed_matrix<TestType> a(out + 3, in), b(out + 3, in);
            a.set_rows(2, {rows.data(), out, in});
            b.set_rows_transposed(2, {columns.data(), in, out});
            REQUIRE(reinterpret_cast<std::uintptr_t>(a.panel(0)) % 64 == 0);
            std::vector<float> x(in), y(in);
            for (std::size_t r = 0; r < out + 3; ++r) {
                a.copy_row(r, x.data());
                b.copy_row(r, y.data());
                REQUIRE(x == y);
                if (r < 2 || r >= out + 2) REQUIRE(x == std::vector<float>(in, 0.0f));
            }
        }
    }
}

TEST_CASE("rows of large blocks are whole blocks", "[kernels][packing_groups]") {
    CHECK(support::error_of([] { eo::packed_matrix<eo::q4_k>(32, 300); }) ==
          support::thrown(eo::errc::wrong_shape, {"q4_k", "256", "300"}));
    CHECK(eo::packed_matrix<eo::q5_0>(32, 300).groups() == 10);
}
