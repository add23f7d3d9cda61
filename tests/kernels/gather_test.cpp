// SPDX-License-Identifier: MIT
// Rows of a packed matrix gathered into another: the bits of the rows, and of products with them.
#include <earlyout/kernels/any_format.hpp>

#include <cstddef>
#include <numeric>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace eo = earlyout;

namespace {

template <class Matrix>
std::vector<float> product_of(const Matrix& weights, const std::vector<float>& x) {
    std::vector<float> y(weights.out());
    support::rounded_rows scratch(1, x.size());
    const auto all = [](std::size_t rows, auto body) { body(std::size_t{0}, rows); };
    const auto input = eo::kernels::prepare(weights, {x.data(), 1, x.size()}, scratch, all);
    eo::kernels::multiply(weights, input, eo::extent<>(x.size()), nullptr, {y.data(), 1, y.size()}, 0,
                          weights.panels());
    return y;
}

template <class Matrix, class Format>
void check_gather(Format format, const std::vector<std::size_t>& sizes = {1, 37, 64}) {
    support::random_source random(1);
    for (const std::size_t in : sizes) {
        const std::size_t out = 131;
        const std::vector<float> weight = random.floats(out * in), x = random.floats(in);
        Matrix from(out, in, format);
        from.set_rows(0, {weight.data(), out, in});
        const std::vector<float> all = product_of(from, x);
        // Upper and lower halves of panels in every combination; the second time over the result of the first.
        Matrix into(45, in, from.format());
        REQUIRE(std::string(into.format_name()) == from.format_name());
        for (const std::size_t step : {3u, 7u, 50u}) {
            std::vector<eo::token_id> rows(into.out());
            for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<eo::token_id>((i * step + 5) % out);
            into.gather(from, rows, 0, 1);
            into.gather(from, rows, 1, 2);
            const std::vector<float> some = product_of(into, x);
            std::vector<float> row(in), copied(in);
            for (std::size_t i = 0; i < rows.size(); ++i) {
                const auto source = static_cast<std::size_t>(rows[i]);
                from.copy_row(source, row.data());
                into.copy_row(i, copied.data());
                REQUIRE(support::same_bits(copied, row));
                REQUIRE(support::same_bits({&some[i], 1}, {&all[source], 1}));
            }
        }
        CHECK(into.gather_bytes(45) == 45 * into.gather_bytes(1));
        CHECK(into.gather_bytes(45) >= into.bytes() / 2);
    }
}

}  // namespace

TEST_CASE("gathered rows are the rows, bit for bit, in every format", "[kernels][gather]") {
    check_gather<eo::packed_matrix<eo::f32>>(eo::f32{});
    check_gather<eo::packed_matrix<eo::bf16>>(eo::bf16{});
    check_gather<eo::packed_matrix<eo::f16>>(eo::f16{});
    check_gather<eo::packed_matrix<eo::int8>>(eo::int8{});
    check_gather<eo::packed_matrix<eo::int4>>(eo::int4{});
    check_gather<eo::packed_matrix<eo::any_format>>(eo::any_format(eo::bf16{}));
    check_gather<eo::packed_matrix<eo::any_format>>(eo::any_format(eo::int4{}));
    check_gather<eo::packed_matrix<eo::q5_1>>(eo::q5_1{});
    check_gather<eo::packed_matrix<eo::q3_k>>(eo::q3_k{}, {256, 512});
    check_gather<eo::packed_matrix<eo::q5_k>>(eo::q5_k{}, {256, 512});
    check_gather<eo::packed_matrix<eo::q6_k>>(eo::q6_k{}, {256});
    check_gather<eo::packed_matrix<eo::any_format>>(eo::any_format(eo::q4_k{}), {256});
}
