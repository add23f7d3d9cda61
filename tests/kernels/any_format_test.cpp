// SPDX-License-Identifier: MIT
#include <earlyout/kernels/any_format.hpp>

#include <string>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace eo = earlyout;

namespace {

template <class Format>
void check_same(Format format) {
    const std::size_t out = 45, in = 37, tokens = 3;
    support::random_source random(1);
    const std::vector<float> weight = random.floats(out * in), x = random.floats(tokens * in),
                             bias = random.floats(out);
    eo::packed_matrix<Format> fixed(out, in);
    eo::packed_matrix<eo::any_format> chosen(out, in, format);
    fixed.set_rows(0, {weight.data(), out, in});
    chosen.set_rows(0, {weight.data(), out, in});
    CHECK(std::string(chosen.format_name()) == Format::name);
    CHECK(chosen.out() == out);
    CHECK(chosen.in() == in);
    CHECK(chosen.panels() == fixed.panels());
    CHECK(chosen.bytes() == fixed.bytes());
    CHECK(chosen.panel_bytes(1) == fixed.panel_bytes(1));
    std::vector<float> a(tokens * out), b(tokens * out);
    const auto product = [&](const auto& weights, std::vector<float>& y) {
        support::rounded_rows scratch(tokens, in);
        eo::kernels::with_format(weights, [&](auto tag, const auto& held) {
            CHECK(std::string(decltype(tag)::name) == Format::name);
            const auto all = [](std::size_t rows, auto body) { body(std::size_t{0}, rows); };
            const auto input = eo::kernels::prepare(tag, {x.data(), tokens, in}, scratch, all);
            eo::kernels::multiply(held, input, eo::extent<>(in), bias.data(), {y.data(), tokens, out}, 0, 2);
        });
    };
    product(fixed, a);
    product(chosen, b);
    CHECK(support::same_bits(a, b));
    std::vector<float> row(in), other(in);
    fixed.copy_row(33, row.data());
    chosen.copy_row(33, other.data());
    CHECK(support::same_bits(row, other));
}

}  // namespace

TEST_CASE("a format chosen at run time computes as the same format compiled in", "[kernels][any_format]") {
    check_same(eo::f32{});
    check_same(eo::bf16{});
    check_same(eo::f16{});
    check_same(eo::int8{});
    check_same(eo::int4{});
    CHECK(eo::packed_matrix<eo::any_format>().out() == 0);
}

TEST_CASE("formats have names, others are refused", "[kernels][any_format]") {
    for (const char* name : {"f32", "bf16", "f16", "int8", "int4"})
        CHECK(std::string(eo::any_format(name).name()) == name);
    CHECK(eo::any_format("int8") == eo::any_format(eo::int8{}));
    CHECK(eo::any_format("int8") != eo::any_format("int4"));
    CHECK(eo::any_format() == eo::any_format("f32"));
    CHECK(support::error_of([] { eo::any_format("int3"); }) ==
          support::thrown(eo::errc::unsupported, {"f32, bf16, f16, int8, int4", "'int3'"}));
}
