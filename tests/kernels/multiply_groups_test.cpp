// SPDX-License-Identifier: MIT
#include <earlyout/kernels/multiply_groups.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/random_blocks.hpp"
#include "support/rounding.hpp"

namespace eo = earlyout;
using eo::group_size;
using support::misaligned;
using support::same_bits;

namespace {

/// A product with weights in a group format, random blocks; rows of y further apart than they are long.
template <class Format>
struct group_product {
    static constexpr std::size_t margin = 3;
    static constexpr float untouched = -77.25f;

    std::size_t out, in, tokens;
    std::vector<float> x;
    misaligned bias, y;
    eo::packed_matrix<Format> packed;
    support::rounded_rows rounded;

    group_product(std::size_t out_, std::size_t in_, std::size_t tokens_, std::uint32_t seed)
        : out(out_),
          in(in_),
          tokens(tokens_),
          bias(out),
          y(tokens * (out + margin), untouched),
          packed(out, in),
          rounded(tokens, in) {
        support::random_source random(seed);
        bias = misaligned(random.floats(out));
        x = random.floats(tokens * in, 2.0f);
        const std::size_t size = eo::block_bytes(Format::stored);
        const std::vector<std::byte> blocks = support::random_blocks<Format>(random, out * packed.blocks());
        for (std::size_t i = 0; i < out * packed.blocks(); ++i) {
            packed.set_block(i / packed.blocks(), i % packed.blocks(), blocks.data() + i * size);
        }
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
        for (std::size_t k = 0; k < packed.groups() * group_size; ++k) {
            const auto scale = packed.scale(row, k / Format::layout.span);
            const int code = packed.codes(row, k / group_size)[k % group_size];
            const double value = double{input.scales[k / group_size]} * input.codes[k];
            const double term = double{scale.scale} * eo::detail::value_of<Format>(code) * value;
            const double rest = Format::layout.offset == 0 ? 0.0 : double{scale.offset} * value;
            sum += term + rest;
            magnitude += std::abs(term) + std::abs(rest);
        }
        return {sum, magnitude};
    }
};

/// Sizes of rows: whole blocks, and others where the format pads.
template <class Format>
std::vector<std::size_t> row_sizes() {
    if (Format::layout.values > group_size) return {256, 512, 1024, 1536};
    return {1, 31, 32, 33, 64, 160, 321, 992};
}

template <class Format, class Arch>
void check_sizes() {
    std::uint32_t seed = 1;
    for (const std::size_t out : {1u, 15u, 16u, 17u, 32u, 33u, 100u}) {
        for (const std::size_t in : row_sizes<Format>()) {
            group_product<Format> p(out, in, 1 + seed % 14, seed);
            ++seed;
            p.template run<Arch>();
            CAPTURE(out, in, p.tokens);
            for (std::size_t t = 0; t < p.tokens; ++t) {
                for (std::size_t o = 0; o < out; ++o) {
                    const auto [sum, magnitude] = p.exact(t, o);
                    const double bound = 0x1p-22 * (magnitude * static_cast<double>(2 * p.packed.groups() + 2) + 4.0);
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
    constexpr std::size_t in = Format::layout.values > group_size ? 768 : 97;
    const std::size_t most = 2 * eo::kernels::group_tile<Arch>::tokens + 3;
    group_product<Format> together(50, in, most, 40);
    together.template run<Arch>();
    for (std::size_t first = 0; first < most; ++first) {
        for (std::size_t count = 1; first + count <= most; ++count) {
            misaligned y(count * together.out);
            eo::kernels::multiply(together.packed, together.inputs().rows(first, count), eo::extent<in>{},
                                  together.bias.data(), {y.data(), count, together.out}, 0, together.packed.panels(),
                                  Arch{});
            for (std::size_t t = 0; t < count; ++t) {
                CAPTURE(first, count, t);
                REQUIRE(same_bits({y.data() + t * together.out, together.out}, together.outputs()[first + t]));
            }
        }
    }
}

}  // namespace

// The formats whose kernels differ most, on all instruction sets; the others are tested there where the tests are
// compiled for them.
TEMPLATE_TEST_CASE("products are the exact sums of the stored values on every instruction set",
                   "[kernels][multiply][arithmetic]", eo::int8, eo::q5_k, eo::q6_k, eo::iq4_xs) {
    support::for_each_arch([]<class Arch>(Arch) {
        check_sizes<TestType, Arch>();
        check_neighbours<TestType, Arch>();
    });
}

TEMPLATE_LIST_TEST_CASE("products with group formats are the exact sums of the stored values", "[kernels][multiply]",
                        support::group_formats) {
    check_sizes<TestType, eo::default_arch>();
}

TEMPLATE_LIST_TEST_CASE("a token's output does not depend on the other tokens", "[kernels][multiply][arithmetic]",
                        support::group_formats) {
    check_neighbours<TestType, eo::default_arch>();
}

TEMPLATE_LIST_TEST_CASE("hundreds of tokens have the bits of each alone", "[kernels][multiply][arithmetic]",
                        support::group_formats) {
    const std::size_t in = TestType::layout.values > group_size ? 1024 : 800, tokens = 203;
    group_product<TestType> p(45, in, tokens, 3);
    p.template run<eo::default_arch>();
    for (std::size_t t = 0; t < tokens; t += 29) {
        misaligned y(45);
        eo::kernels::multiply(p.packed, p.inputs().rows(t, 1), eo::extent<>(in), p.bias.data(), {y.data(), 1, 45}, 0,
                              p.packed.panels());
        REQUIRE(same_bits({y.data(), 45}, p.outputs()[t]));
    }
}

TEMPLATE_LIST_TEST_CASE("extreme codes and scales", "[kernels][multiply]", support::group_formats) {
    constexpr eo::block_layout layout = TestType::layout;
    const std::size_t in = 2 * layout.values;
    group_product<TestType> p(33, in, 2, 9);
    std::vector<std::byte> block(eo::block_bytes(TestType::stored), std::byte{0xff});
    for (const int factor : {0x7bff, 0x0001, 0x8001, 0xfbff, 0x0000}) {
        for (std::size_t f = 0; f < layout.factor_count(); ++f) {
            const auto bits = static_cast<std::uint16_t>(factor);
            std::memcpy(block.data() + layout.factor_at(f), &bits, sizeof bits);
        }
        if (layout.is_exponent) block[0] = factor == 0 ? std::byte{0} : std::byte{200};
        for (std::size_t i = 0; i < layout.values; ++i) TestType::set_code(block.data(), i, i % 2 == 0 ? 0 : 1);
        for (std::size_t r = 0; r < 33; ++r) {
            for (std::size_t b = 0; b < 2; ++b) p.packed.set_block(r, b, block.data());
        }
        std::fill(p.x.begin(), p.x.end(), -1e10f);
        p.round();
        p.template run<eo::default_arch>();
        const auto [sum, magnitude] = p.exact(1, 32);
        CHECK(std::abs(p.outputs()[1][32] - (sum + double{p.bias[32]})) <= 1e-5 * magnitude + 1e-5);
    }
}

TEMPLATE_LIST_TEST_CASE("a NaN or an infinity stays in its own token", "[kernels][multiply]", support::group_formats) {
    const std::size_t in = TestType::layout.values > group_size ? 256 : 70;
    group_product<TestType> p(40, in, 9, 8), clean(40, in, 9, 8);
    p.x[3 * in + 4] = std::numeric_limits<float>::infinity();
    p.x[5 * in + in - 1] = std::numeric_limits<float>::quiet_NaN();
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

TEMPLATE_LIST_TEST_CASE("some panels, into columns of their own", "[kernels][multiply]", support::group_formats) {
    const std::size_t in = TestType::layout.values > group_size ? 512 : 96;
    for (const std::size_t tokens : {1u, 5u}) {
        group_product<TestType> p(150, in, tokens, 4);
        p.template run<eo::default_arch>();
        misaligned y(tokens * 70, -1.5f);
        eo::kernels::multiply(p.packed, p.inputs(), eo::extent<>(in), p.bias.data(), {y.data(), tokens, 70}, 2, 4,
                              eo::default_arch{}, 64);
        for (std::size_t t = 0; t < tokens; ++t) {
            for (std::size_t o = 0; o < 70; ++o) {
                REQUIRE(y[t * 70 + o] == (o < 64 ? p.outputs()[t][64 + o] : -1.5f));
            }
        }
    }
}

TEST_CASE("rounding error matches the number of bits", "[kernels][multiply]") {
    const auto error = []<class Format>(Format) {
        group_product<Format> p(256, 768, 4, 11);
        support::random_source random(11);
        const std::vector<float> weight = random.floats(256 * 768);
        p.packed.set_rows(0, {weight.data(), 256, 768});
        std::fill(p.bias.data(), p.bias.data() + p.out, 0.0f);
        p.template run<eo::default_arch>();
        double wrong = 0, all = 0;
        for (std::size_t t = 0; t < 4; ++t) {
            for (std::size_t o = 0; o < 256; ++o) {
                double exact = 0;
                for (std::size_t k = 0; k < 768; ++k) exact += double{weight[o * 768 + k]} * double{p.x[t * 768 + k]};
                wrong += (exact - p.outputs()[t][o]) * (exact - p.outputs()[t][o]);
                all += exact * exact;
            }
        }
        return std::sqrt(wrong / all);
    };
    CHECK(error(eo::int8{}) < 0.009);
    CHECK(error(eo::q6_k{}) < 0.025);
    CHECK(error(eo::q5_k{}) < 0.045);
    CHECK(error(eo::q5_0{}) < 0.05);
    CHECK(error(eo::int4{}) < 0.085);
    CHECK(error(eo::q4_k{}) < 0.09);
    CHECK(error(eo::iq4_xs{}) < 0.1);
    CHECK(error(eo::q3_k{}) < 0.25);
    CHECK(error(eo::q2_k{}) < 0.5);
}
