// SPDX-License-Identifier: MIT
#include <earlyout/kernels/multiply_groups.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace eo = earlyout;
using eo::group_size;
using support::misaligned;
using support::same_bits;

namespace {

/// A product with int8 or int4 weights, rows of y further apart than they are long.
template <class Format>
struct group_product {
    static constexpr std::size_t margin = 3;
    static constexpr float untouched = -77.25f;

    std::size_t out, in, tokens;
    std::vector<float> weight, x;
    misaligned bias, y;
    eo::packed_matrix<Format> packed;
    support::rounded_rows rounded;

    group_product(std::size_t out_, std::size_t in_, std::size_t tokens_, std::uint32_t seed, float scale = 1.0f)
        : out(out_),
          in(in_),
          tokens(tokens_),
          bias(out),
          y(tokens * (out + margin), untouched),
          packed(out, in),
          rounded(tokens, in) {
        support::random_source random(seed);
        weight = random.floats(out * in, scale);
        bias = misaligned(random.floats(out));
        x = random.floats(tokens * in, 2.0f);
        packed.set_rows(0, {weight.data(), out, in});
        round();
    }

    void round() {
        for (std::size_t t = 0; t < tokens; ++t) rounded.set_row(t, x.data() + t * in, in);
    }
    eo::kernels::quantized_view inputs() const { return rounded.view(tokens, in); }
    eo::matrix_view<float> outputs() { return {y.data(), tokens, out, out + margin}; }

    template <class Arch>
    void run() {
        eo::kernels::multiply(packed, inputs(), eo::extent<>(in), bias.data(), outputs(), 0, packed.panels(), Arch{});
    }

    /// Exact sum of the stored numbers' products, and of their magnitudes.
    std::pair<double, double> exact(std::size_t t, std::size_t row) const {
        const auto input = inputs().rows(t, 1);
        double sum = 0, magnitude = 0;
        for (std::size_t g = 0; g < packed.groups(); ++g) {
            const auto group = packed.group(row, g);
            std::int64_t whole = 0;
            for (std::size_t i = 0; i < group_size; ++i) whole += group.codes[i] * input.codes[g * group_size + i];
            const double term =
                static_cast<double>(whole) * double{eo::f16_to_float(group.scale)} * double{input.scales[g]};
            sum += term;
            magnitude += std::abs(term);
        }
        return {sum, magnitude};
    }
};

using formats = std::tuple<eo::int8, eo::int4>;

template <class Format, class Arch>
void check_sizes() {
    std::uint32_t seed = 1;
    for (const std::size_t out : {1u, 15u, 16u, 17u, 32u, 33u, 100u}) {
        for (const std::size_t in : {1u, 31u, 32u, 33u, 64u, 160u, 321u}) {
            group_product<Format> p(out, in, 1 + seed % 14, seed);
            ++seed;
            p.template run<Arch>();
            CAPTURE(out, in, p.tokens);
            for (std::size_t t = 0; t < p.tokens; ++t) {
                for (std::size_t o = 0; o < out; ++o) {
                    const auto [sum, magnitude] = p.exact(t, o);
                    const double bound = 0x1p-22 * (magnitude * static_cast<double>(p.packed.groups() + 2) + 4.0);
                    REQUIRE(std::abs(p.outputs()[t][o] - (sum + double{p.bias[o]})) <= bound);
                }
                for (std::size_t o = out; o < out + p.margin; ++o) {
                    REQUIRE(p.y[t * (out + p.margin) + o] == p.untouched);
                }
            }
            REQUIRE(p.y.intact());
        }
    }
}

template <class Format, class Arch>
void check_neighbours() {
    const std::size_t in = 97, most = 2 * eo::kernels::group_tile_tokens<Arch> + 3;
    group_product<Format> together(50, in, most, 40);
    together.template run<Arch>();
    for (std::size_t first = 0; first < most; ++first) {
        for (std::size_t count = 1; first + count <= most; ++count) {
            misaligned y(count * together.out);
            eo::kernels::multiply(together.packed, together.inputs().rows(first, count), eo::extent<97>{},
                                  together.bias.data(), {y.data(), count, together.out}, 0, together.packed.panels(),
                                  Arch{});
            for (std::size_t t = 0; t < count; ++t) {
                CAPTURE(first, count, t);
                REQUIRE(same_bits({y.data() + t * together.out, together.out}, together.outputs()[first + t]));
            }
        }
    }
}

template <class Format>
void check_stored() {
    support::random_source random(5);
    for (const std::size_t out : {1u, 31u, 33u, 97u}) {
        for (const std::size_t in : {1u, 32u, 65u}) {
            const auto rows = random.floats(out * in);
            std::vector<float> columns(in * out);
            for (std::size_t r = 0; r < out; ++r) {
                for (std::size_t k = 0; k < in; ++k) columns[k * out + r] = rows[r * in + k];
            }
            eo::packed_matrix<Format> a(out + 3, in), b(out + 3, in);
            a.set_rows(2, {rows.data(), out, in});
            b.set_rows_transposed(2, {columns.data(), in, out});
            REQUIRE(reinterpret_cast<std::uintptr_t>(a.panel(a.panels() - 1)) % 64 == 0);
            std::vector<float> x(in), y(in);
            for (std::size_t r = 0; r < out + 3; ++r) {
                a.copy_row(r, x.data());
                b.copy_row(r, y.data());
                REQUIRE(x == y);
                if (r < 2 || r >= out + 2) {
                    REQUIRE(x == std::vector<float>(in, 0.0f));
                    continue;
                }
                for (std::size_t g = 0; g < a.groups(); ++g) {
                    float group[group_size] = {};
                    const std::size_t count = std::min(group_size, in - g * group_size);
                    std::copy_n(rows.data() + (r - 2) * in + g * group_size, count, group);
                    const auto expected = eo::kernels::quantize_group(Format{}, group);
                    REQUIRE(a.group(r, g).scale == expected.scale);
                    REQUIRE(a.group(r, g).codes == expected.codes);
                    for (std::size_t k = 0; k < count; ++k) {
                        REQUIRE(x[g * group_size + k] ==
                                eo::f16_to_float(expected.scale) * static_cast<float>(expected.codes[k]));
                    }
                }
            }
        }
    }
    eo::packed_matrix<Format> w(64, 64);
    REQUIRE(w.bytes() == 64 * 64 / 32 * (2 + 4 * Format::bits));  // Q8_0's and Q4_0's bytes
    REQUIRE(w.panel_bytes(1) == w.bytes() / 2);
    REQUIRE(std::string(w.format_name()) == Format::name);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("int8 and int4 products are the exact sums of the stored values", "[kernels][multiply]",
                        support::archs) {
    check_sizes<eo::int8, TestType>();
    check_sizes<eo::int4, TestType>();
}

TEMPLATE_LIST_TEST_CASE("int8 and int4: a token's output does not depend on the other tokens",
                        "[kernels][multiply][arithmetic]", support::archs) {
    check_neighbours<eo::int8, TestType>();
    check_neighbours<eo::int4, TestType>();
}

TEMPLATE_LIST_TEST_CASE("int8 and int4 matrices return the groups they were given", "[kernels][packing]", formats) {
    check_stored<TestType>();
}

TEMPLATE_LIST_TEST_CASE("extreme codes and scales", "[kernels][multiply]", formats) {
    group_product<TestType> p(33, 64, 2, 9);
    eo::kernels::coded_group extreme;
    const int least = TestType::bits == 8 ? -128 : -8;
    for (const int scale : {0x7bff, 0x0001, 0x8001, 0xfbff, 0x0000}) {
        extreme.scale = static_cast<std::uint16_t>(scale);
        extreme.codes.fill(static_cast<std::int8_t>(least));
        for (std::size_t r = 0; r < 33; ++r) {
            for (std::size_t g = 0; g < 2; ++g) p.packed.set_group(r, g, extreme);
        }
        REQUIRE(p.packed.group(32, 1).codes == extreme.codes);
        std::fill(p.x.begin(), p.x.end(), -1e20f);
        p.round();
        p.template run<eo::default_arch>();
        const auto [sum, magnitude] = p.exact(1, 32);
        CHECK(std::abs(p.outputs()[1][32] - (sum + double{p.bias[32]})) <= 1e-5 * magnitude + 1e-5);
    }
}

TEMPLATE_LIST_TEST_CASE("a NaN or an infinity stays in its own token", "[kernels][multiply]", formats) {
    group_product<TestType> p(40, 70, 9, 8), clean(40, 70, 9, 8);
    p.x[3 * 70 + 4] = std::numeric_limits<float>::infinity();
    p.x[5 * 70 + 69] = std::numeric_limits<float>::quiet_NaN();
    p.round();
    p.template run<eo::default_arch>();
    clean.template run<eo::default_arch>();
    for (std::size_t t = 0; t < 9; ++t) {
        for (std::size_t o = 0; o < 40; ++o) {
            if (t == 3 || t == 5) {
                REQUIRE_FALSE(std::isfinite(p.outputs()[t][o]));
            } else {
                REQUIRE(p.outputs()[t][o] == clean.outputs()[t][o]);
            }
        }
    }
}

TEST_CASE("rounding error matches the number of bits", "[kernels][multiply]") {
    const auto error = []<class Format>(Format) {
        group_product<Format> p(256, 768, 4, 11);
        std::fill(p.bias.data(), p.bias.data() + p.out, 0.0f);
        p.template run<eo::default_arch>();
        double wrong = 0, all = 0;
        for (std::size_t t = 0; t < 4; ++t) {
            for (std::size_t o = 0; o < 256; ++o) {
                double exact = 0;
                for (std::size_t k = 0; k < 768; ++k) exact += double{p.weight[o * 768 + k]} * double{p.x[t * 768 + k]};
                wrong += (exact - p.outputs()[t][o]) * (exact - p.outputs()[t][o]);
                all += exact * exact;
            }
        }
        return std::sqrt(wrong / all);
    };
    CHECK(error(eo::int8{}) < 0.009);
    CHECK(error(eo::int4{}) < 0.085);
}
