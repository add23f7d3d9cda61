// SPDX-License-Identifier: MIT
#include <earlyout/kernels/packing.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;

TEST_CASE("packed_matrix returns the rows it was given", "[kernels][packing]") {
    support::random_source random(1);
    for (const std::size_t out : {1u, 31u, 32u, 33u, 97u}) {
        for (const std::size_t in : {1u, 7u, 32u, 65u}) {
            const std::vector<float> rows = random.floats(out * in);
            eo::packed_matrix<> w(out, in);
            w.set_rows(0, {rows.data(), out, in});
            std::vector<float> row(in);
            for (std::size_t r = 0; r < out; ++r) {
                w.copy_row(r, row.data());
                REQUIRE(std::equal(row.begin(), row.end(), rows.begin() + static_cast<std::ptrdiff_t>(r * in)));
            }
        }
    }
}

TEST_CASE("packed_matrix: rows and the transpose's columns land in the same place", "[kernels][packing]") {
    support::random_source random(2);
    const std::size_t in = 21, rows = 40, wide = 50;
    const std::vector<float> transposed = random.floats(in * wide);  // [in, wide], of which 40 columns from 5 on
    std::vector<float> plain(rows * in);
    for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t k = 0; k < in; ++k) plain[r * in + k] = transposed[k * wide + 5 + r];
    }
    eo::packed_matrix<> a(70, in);
    eo::packed_matrix<> b(70, in);
    a.set_rows(17, {plain.data(), rows, in});
    b.set_rows_transposed(17, eo::matrix_view<const float>(transposed.data(), in, wide).cols(5, rows));
    std::vector<float> row_a(in);
    std::vector<float> row_b(in);
    for (std::size_t r = 0; r < 70; ++r) {
        a.copy_row(r, row_a.data());
        b.copy_row(r, row_b.data());
        REQUIRE(row_a == row_b);
        if (r < 17 || r >= 57) REQUIRE(std::count(row_a.begin(), row_a.end(), 0.0f) == static_cast<long>(in));
    }
}

TEST_CASE("packed_matrix: panels are aligned streams whose missing rows are zero", "[kernels][packing]") {
    eo::packed_matrix<> w(33, 3);
    const std::vector<float> ones(33 * 3, 1.0f);
    w.set_rows(0, {ones.data(), 33, 3});
    REQUIRE(w.panels() == 2);
    REQUIRE(w.bytes() == 2 * 32 * 3 * sizeof(float));
    REQUIRE(w.bytes_from(1) == w.bytes() / 2);
    for (std::size_t p = 0; p < 2; ++p) REQUIRE(reinterpret_cast<std::uintptr_t>(w.panel(p)) % 64 == 0);
    for (std::size_t i = 0; i < 32 * 3; ++i) REQUIRE(w.panel(1)[i] == (i % 32 == 0 ? 1.0f : 0.0f));
}

TEST_CASE("packed_matrix: empty by default", "[kernels][packing]") {
    const eo::packed_matrix<> w;
    REQUIRE(w.out() == 0);
    REQUIRE(w.panels() == 0);
    REQUIRE(w.bytes() == 0);
}

TEST_CASE("packed_matrix<bf16> stores each weight's nearest bfloat16 in half the bytes", "[kernels][packing]") {
    support::random_source random(3);
    for (const std::size_t out : {1u, 16u, 17u, 32u, 50u}) {
        const std::size_t in = 21;
        const std::vector<float> rows = random.floats(out * in);
        eo::packed_matrix<eo::bf16> w(out, in);
        w.set_rows(0, {rows.data(), out, in});
        REQUIRE(2 * w.bytes() == eo::packed_matrix<>(out, in).bytes());
        REQUIRE(reinterpret_cast<std::uintptr_t>(w.panel(w.panels() - 1)) % 64 == 0);
        std::vector<float> row(in);
        for (std::size_t r = 0; r < out; ++r) {
            w.copy_row(r, row.data());
            for (std::size_t k = 0; k < in; ++k) {
                REQUIRE(row[k] == eo::bf16_to_float(eo::float_to_bf16(rows[r * in + k])));
                REQUIRE(std::abs(row[k] - rows[r * in + k]) <= 0x1p-8f * std::abs(row[k]));
            }
        }
    }
}
