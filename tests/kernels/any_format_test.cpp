// SPDX-License-Identifier: MIT
#include <earlyout/kernels/any_format.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "support/random_blocks.hpp"
#include "support/rounding.hpp"

namespace eo = earlyout;

namespace {

template <class Format>
constexpr std::size_t rows_of() {
    if constexpr (eo::group_format<Format>) {
        if (Format::layout.values > eo::group_size) return Format::layout.values;
    }
    return 37;
}

template <class Format>
void check_same(Format format) {
    const std::size_t out = 45, in = rows_of<Format>(), tokens = 3;
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
    CHECK(chosen.bytes_from(1) == fixed.bytes_from(1));
    std::vector<float> a(tokens * out), b(tokens * out);
    const auto product = [&](const auto& weights, std::vector<float>& y) {
        support::rounded_rows scratch(tokens, in);
        const auto all = [](std::size_t rows, auto body) { body(std::size_t{0}, rows); };
        const auto input = eo::kernels::prepare(weights, {x.data(), tokens, in}, scratch, all);
        eo::kernels::multiply(weights, input, eo::extent<>(in), bias.data(), {y.data(), tokens, out}, 0, 2);
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
    std::apply([](auto... formats) { (check_same(formats), ...); }, support::group_formats{});
    CHECK(eo::packed_matrix<eo::any_format>().out() == 0);
}

TEST_CASE("formats have names, others are refused", "[kernels][any_format]") {
    for (const char* name : {"f32", "bf16", "f16", "int8", "int4", "q4_k", "q6_k", "iq4_xs", "stored"})
        CHECK(std::string(eo::any_format(name).name()) == name);
    CHECK(eo::any_format("int8") == eo::any_format(eo::int8{}));
    CHECK(eo::any_format("int8") != eo::any_format("int4"));
    CHECK(eo::any_format() == eo::any_format("f32"));
    CHECK(support::error_of([] { eo::any_format("int3"); }) ==
          support::thrown(eo::errc::unsupported, {"f32, bf16, f16, int8, int4", "q4_k", "'int3'"}));
}

TEST_CASE("rows that are not whole blocks get the format that llama.cpp takes", "[kernels][any_format]") {
    const auto name = [](eo::any_format format, std::size_t in) { return std::string(format.for_rows_of(in).name()); };
    CHECK(name(eo::q4_k{}, 512) == "q4_k");
    CHECK(name(eo::q4_k{}, 896) == "q5_0");
    CHECK(name(eo::q5_k{}, 896) == "q5_1");
    CHECK(name(eo::q6_k{}, 896) == "int8");
    CHECK(name(eo::q2_k{}, 896) == "iq4_nl");
    CHECK(name(eo::iq4_xs{}, 896) == "iq4_nl");
    CHECK(name(eo::int4{}, 37) == "int4");
    CHECK(name(eo::f16{}, 37) == "f16");
    CHECK(std::string(eo::packed_matrix<eo::any_format>(64, 896, eo::any_format("q4_k")).format_name()) == "q5_0");
}

TEST_CASE("ranges of rows have formats of their own", "[kernels][any_format]") {
    const std::size_t in = 256, tokens = 2;
    support::random_source random(7);
    const std::vector<float> weight = random.floats(100 * in), x = random.floats(tokens * in);
    const std::pair<std::size_t, eo::any_format> ranges[] = {{0, eo::q4_k{}}, {64, eo::q6_k{}}};
    eo::packed_matrix<eo::any_format> mixed(100, in, eo::any_format::as_stored());
    mixed.settle(ranges);
    mixed.settle(eo::f32{});  // too late
    eo::packed_matrix<eo::q4_k> first(64, in);
    eo::packed_matrix<eo::q6_k> second(36, in);
    mixed.set_rows(0, {weight.data(), 64, in});
    mixed.set_rows(64, {weight.data() + 64 * in, 36, in});
    first.set_rows(0, {weight.data(), 64, in});
    second.set_rows(0, {weight.data() + 64 * in, 36, in});
    CHECK(mixed.panels() == 4);
    CHECK(mixed.bytes() == first.bytes() + second.bytes());
    CHECK(mixed.bytes_from(1) == first.bytes_from(1) + second.bytes());
    CHECK(mixed.bytes_from(3) == second.bytes_from(1));
    std::vector<float> row(in), expected(in);
    mixed.copy_row(63, row.data());
    first.copy_row(63, expected.data());
    CHECK(row == expected);
    mixed.copy_row(99, row.data());
    second.copy_row(35, expected.data());
    CHECK(row == expected);
    std::vector<std::string> formats;
    mixed.share([&](std::size_t, const eo::packed_weights& range) { formats.push_back(range.format); });
    CHECK(formats == std::vector<std::string>{"q4_k", "q6_k"});

    // Products, whole and from a column on, have the bits of the two matrices.
    support::rounded_rows scratch(tokens, in);
    const auto all = [](std::size_t count, auto body) { body(std::size_t{0}, count); };
    const auto inputs = eo::kernels::prepare(mixed, {x.data(), tokens, in}, scratch, all);
    const std::vector<float> bias = random.floats(100);
    std::vector<float> whole(tokens * 100), separate(tokens * 100), later(tokens * 68);
    const eo::extent<> depth(in);
    eo::kernels::multiply(mixed, inputs, depth, bias.data(), {whole.data(), tokens, 100}, 0, 4);
    eo::kernels::multiply(mixed, inputs, depth, bias.data(), {later.data(), tokens, 68}, 1, 4, eo::default_arch{}, 32);
    const eo::matrix_view<float> parts(separate.data(), tokens, 100);
    eo::kernels::multiply(first, inputs.rounded, depth, bias.data(), parts, 0, 2);
    eo::kernels::multiply(second, inputs.rounded, depth, bias.data() + 64, parts.cols(64, 36), 0, 2);
    CHECK(support::same_bits(whole, separate));
    for (std::size_t t = 0; t < tokens; ++t) {
        CHECK(support::same_bits({later.data() + t * 68, 68}, {whole.data() + t * 100 + 32, 68}));
    }

    eo::packed_matrix<eo::any_format> attached(100, in, eo::any_format::as_stored());
    attached.adopt(first.share());
    attached.adopt(second.share(), 64);
    attached.copy_row(99, row.data());
    CHECK(row == expected);
    eo::packed_matrix<eo::any_format> narrow(100, 512, eo::any_format::as_stored());
    CHECK(support::error_of([&] { narrow.adopt(first.share()); }) ==
          support::thrown(eo::errc::wrong_shape, {"512", "[64, 256]"}));
    CHECK_FALSE(narrow.settled());
}
