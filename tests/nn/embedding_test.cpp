// SPDX-License-Identifier: MIT
#include <earlyout/nn/embedding.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <cstddef>
#include <span>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

namespace eo = earlyout;

TEST_CASE("an embedding returns its rows", "[nn][embedding]") {
    const eo::dtype stored = GENERATE(eo::dtype::f32, eo::dtype::f16, eo::dtype::bf16);
    INFO(to_string(stored));
    support::random_source random(1);
    std::vector<float> rows = random.floats(7 * 5);
    for (float& value : rows) value = eo::bf16_to_float(eo::float_to_bf16(value));  // exact in all three
    const std::vector<float> kept = rows;
    eo::embedding table(5, 7, stored);
    table.set_rows(2, {rows.data() + 2 * 5, 5, 5});
    table.set_rows(0, {rows.data(), 2, 5});
    rows.assign(rows.size(), 0.0f);  // it holds its own
    CHECK_FALSE(table.empty());
    CHECK(table.bytes() == 7 * 5 * size_of(stored));
    for (std::size_t i = 0; i < 7; ++i) {
        const auto expected = std::span(kept).subspan(i * 5, 5);
        std::vector<float> row(5);
        table.copy_row(i, row.data());
        CHECK(support::same_bits(row, expected));
        std::vector<float> sum{1.0f, 0.0f, -2.0f, 0.5f, 4.0f};
        const std::vector<float> before = sum;
        table.add_row(i, sum.data());
        for (std::size_t k = 0; k < 5; ++k) CHECK(sum[k] == before[k] + expected[k]);
    }
}

TEST_CASE("an embedding may be absent", "[nn][embedding]") {
    CHECK(eo::embedding().empty());
    CHECK(eo::embedding().bytes() == 0);
}

TEST_CASE("an embedding in blocks decodes its rows", "[nn][embedding]") {
    std::vector<std::byte> blocks(2 * 2 * 34);  // 2 rows of 2 Q8_0 blocks
    for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<std::byte>(i % 34 == 1 ? 0x3c : i % 34);
    eo::embedding table(64, 2, eo::dtype::q8_0);
    table.set_bytes(blocks);
    CHECK(table.bytes() == blocks.size());
    std::vector<float> expected(2 * 64), row(64), sum(64, 1.0f);
    eo::to_floats({"w", eo::dtype::q8_0, {2, 64}, blocks}, expected, "");
    table.copy_row(1, row.data());
    CHECK(support::same_bits(row, std::span(expected).subspan(64)));
    table.add_row(1, sum.data());
    CHECK(sum[40] == 1.0f + expected[64 + 40]);
}

TEST_CASE("a row of an embedding must be whole blocks", "[nn][embedding]") {
    for (const eo::dtype_facts& facts : eo::all_dtypes) {
        const eo::dtype type = facts.type;
        const std::size_t block = block_elements(type);
        if (block == 1) continue;
        CHECK(support::error_of([&] { (void)eo::embedding(block / 4, 8, type); }) ==
              support::thrown(eo::errc::wrong_shape, {"whole blocks", to_string(type)}));
        CHECK(eo::embedding(2 * block, 3, type).bytes() == 6 * block_bytes(type));
    }
}
