// SPDX-License-Identifier: MIT
#include <earlyout/kernels/multiply.hpp>

#include <Eigen/Core>
#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::misaligned;
using support::same_bits;

namespace {

/// A product with rows of x and y further apart than they are long, and a margin around y.
struct product {
    static constexpr std::size_t margin = 3;
    static constexpr float untouched = -77.25f;

    std::size_t out, in, tokens;
    std::vector<float> weight;  // [out, in]
    misaligned bias;
    misaligned x;
    misaligned y;
    eo::packed_matrix<> packed;

    product(std::size_t out_, std::size_t in_, std::size_t tokens_, std::uint32_t seed, float scale = 1.0f)
        : out(out_),
          in(in_),
          tokens(tokens_),
          bias(out),
          x(tokens * (in + 1)),
          y(tokens * (out + margin), untouched),
          packed(out, in) {
        support::random_source random(seed);
        weight = random.floats(out * in, scale);
        bias = misaligned(random.floats(out, scale));
        x = misaligned(random.floats(x.size(), scale));
        packed.set_rows(0, {weight.data(), out, in});
    }

    eo::matrix_view<const float> inputs() const { return {x.data(), tokens, in, in + 1}; }
    eo::matrix_view<float> outputs() { return {y.data(), tokens, out, out + margin}; }

    template <class Arch>
    void run(bool with_bias) {
        eo::kernels::multiply(packed, inputs(), eo::extent<>(in), with_bias ? bias.data() : nullptr, outputs(), 0,
                              packed.panels(), Arch{});
    }

    /// Largest error in units of the bound that holds for any order of summation; the margin must be untouched.
    double worst_error(bool with_bias) const {
        using matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
        using stored = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
        const auto n = [](std::size_t size) { return static_cast<Eigen::Index>(size); };
        const matrix w = Eigen::Map<const stored>(weight.data(), n(out), n(in)).cast<double>();
        const matrix input = Eigen::Map<const stored, 0, Eigen::OuterStride<>>(x.data(), n(tokens), n(in),
                                                                               Eigen::OuterStride<>(n(in + 1)))
                                 .cast<double>();
        const matrix exact = input * w.transpose();
        const matrix magnitude = input.cwiseAbs() * w.cwiseAbs().transpose();
        double worst = 0;
        for (std::size_t t = 0; t < tokens; ++t) {
            for (std::size_t o = 0; o < out; ++o) {
                const double b = with_bias ? bias[o] : 0.0;
                const double bound = 0x1p-24 * static_cast<double>(2 * in + 2) * (magnitude(n(t), n(o)) + std::abs(b)) +
                                     static_cast<double>(in + 1) * static_cast<double>(FLT_TRUE_MIN);
                const double error = std::abs(y[t * (out + margin) + o] - (exact(n(t), n(o)) + b));
                worst = std::max(worst, std::isnan(error) ? HUGE_VAL : error / bound);
            }
            for (std::size_t o = out; o < out + margin; ++o) {
                if (y[t * (out + margin) + o] != untouched) return HUGE_VAL;
            }
        }
        return worst;
    }
};

constexpr std::size_t matrix_sizes[] = {1, 7, 20, 21, 31, 32, 33, 64, 65, 160};

}  // namespace

TEMPLATE_LIST_TEST_CASE("multiply equals a product in double precision", "[kernels][multiply]", support::archs) {
    std::uint32_t seed = 1;
    for (const std::size_t out : matrix_sizes) {
        for (const std::size_t in : matrix_sizes) {
            const std::size_t tokens = 1 + seed % 14;
            const bool with_bias = seed % 2 == 0;
            product p(out, in, tokens, seed++);
            p.run<TestType>(with_bias);
            INFO("out " << out << ", in " << in << ", tokens " << tokens);
            REQUIRE(p.worst_error(with_bias) <= 1.0);
            REQUIRE(p.y.intact());
        }
    }
    product deep(33, 3072, 2, seed);
    deep.run<TestType>(true);
    REQUIRE(deep.worst_error(true) <= 1.0);
}

TEMPLATE_LIST_TEST_CASE("multiply: each number of tokens in a tile", "[kernels][multiply]", support::archs) {
    for (std::size_t tokens = 1; tokens <= 2 * eo::kernels::tile_tokens<TestType> + 1; ++tokens) {
        product p(45, 37, tokens, 100 + static_cast<std::uint32_t>(tokens));
        p.run<TestType>(true);
        INFO("tokens " << tokens);
        REQUIRE(p.worst_error(true) <= 1.0);
    }
}

TEMPLATE_LIST_TEST_CASE("multiply: very small and very large numbers", "[kernels][multiply]", support::archs) {
    product small(33, 21, 3, 5, 1e-21f);  // products and sums are subnormal
    small.run<TestType>(false);
    REQUIRE(small.worst_error(false) <= 1.0);

    product large(33, 21, 3, 6, 1e18f);
    large.run<TestType>(true);
    REQUIRE(large.worst_error(true) <= 1.0);

    product zero(33, 21, 3, 7, 0.0f);
    zero.run<TestType>(true);
    REQUIRE(zero.worst_error(true) <= 1.0);
}

TEMPLATE_LIST_TEST_CASE("multiply: overflow and NaN stay in their own element", "[kernels][multiply]", support::archs) {
    const std::size_t in = 9;
    product p(40, in, 5, 8);
    product clean(40, in, 5, 8);
    const std::size_t bad_token = 3;
    p.x[bad_token * (in + 1) + 4] = std::numeric_limits<float>::infinity();
    p.run<TestType>(true);
    clean.run<TestType>(true);
    for (std::size_t t = 0; t < 5; ++t) {
        for (std::size_t o = 0; o < 40; ++o) {
            const float value = p.outputs()[t][o];
            if (t == bad_token) {
                REQUIRE(!std::isfinite(value));
            } else {
                REQUIRE(value == clean.outputs()[t][o]);
            }
        }
    }
}

TEMPLATE_LIST_TEST_CASE("multiply: a token's output does not depend on the other tokens",
                        "[kernels][multiply][arithmetic]", support::archs) {
    for (const std::size_t in : {1u, 20u, 33u, 160u}) {
        const std::size_t most = 2 * eo::kernels::tile_tokens<TestType> + 3;
        product together(50, in, most, 40 + static_cast<std::uint32_t>(in));
        together.run<TestType>(true);
        // Every window [first, first + count) as a separate call puts each token at each place of a tile.
        for (std::size_t first = 0; first < most; ++first) {
            for (std::size_t count = 1; first + count <= most; ++count) {
                misaligned y(count * together.out);
                eo::kernels::multiply(together.packed, together.inputs().rows(first, count), eo::extent<>(in),
                                      together.bias.data(), {y.data(), count, together.out}, 0,
                                      together.packed.panels(), TestType{});
                for (std::size_t t = 0; t < count; ++t) {
                    const std::span<const float> alone(y.data() + t * together.out, together.out);
                    if (!same_bits(alone, together.outputs()[first + t])) {
                        FAIL("in " << in << ": token " << first + t << " differs in a call of " << count);
                    }
                }
            }
        }
    }
}

TEMPLATE_LIST_TEST_CASE("multiply: panels one by one, and a depth known at compile time, give the same bits",
                        "[kernels][multiply][arithmetic]", support::archs) {
    product whole(103, 21, 5, 60);
    whole.run<TestType>(true);
    product pieces(103, 21, 5, 60);
    for (std::size_t panel = pieces.packed.panels(); panel-- > 0;) {
        eo::kernels::multiply(pieces.packed, pieces.inputs(), eo::extent<>(21), pieces.bias.data(), pieces.outputs(),
                              panel, panel + 1, TestType{});
    }
    REQUIRE(same_bits(whole.y.span(), pieces.y.span()));

    product fixed(103, 21, 5, 60);
    eo::kernels::multiply(fixed.packed, fixed.inputs(), eo::extent<21>{}, fixed.bias.data(), fixed.outputs(), 0,
                          fixed.packed.panels(), TestType{});
    REQUIRE(same_bits(whole.y.span(), fixed.y.span()));
}

TEST_CASE("multiply writes the columns of its panels only", "[kernels][multiply]") {
    product p(103, 21, 4, 61);
    eo::kernels::multiply(p.packed, p.inputs(), eo::extent<>(21), p.bias.data(), p.outputs(), 1, 3);
    product whole(103, 21, 4, 61);
    whole.run<eo::default_arch>(true);
    for (std::size_t t = 0; t < 4; ++t) {
        for (std::size_t o = 0; o < 103; ++o) {
            REQUIRE(p.outputs()[t][o] == (o >= 32 && o < 96 ? whole.outputs()[t][o] : product::untouched));
        }
    }
}

TEST_CASE("multiply: without inputs the result is the bias, without tokens there is none", "[kernels][multiply]") {
    product p(5, 0, 2, 62);
    p.run<eo::default_arch>(true);
    for (std::size_t o = 0; o < 5; ++o) REQUIRE(p.outputs()[1][o] == p.bias[o]);
    product none(5, 4, 0, 63);
    none.run<eo::default_arch>(true);
    REQUIRE(none.y.intact());
}

namespace {

template <class Format, class Arch>
void check_half(std::uint32_t seed, float scale) {
    for (const std::size_t out : matrix_sizes) {
        for (const std::size_t in : matrix_sizes) {
            product p(out, in, 1 + seed % 14, seed, scale);
            ++seed;
            eo::packed_matrix<Format> half(out, in);
            half.set_rows(0, {p.weight.data(), out, in});
            std::vector<float> rounded(out * in);
            for (std::size_t row = 0; row < out; ++row) half.copy_row(row, rounded.data() + row * in);
            p.packed.set_rows(0, {rounded.data(), out, in});
            p.run<Arch>(true);
            misaligned y(p.tokens * out);
            eo::kernels::multiply(half, p.inputs(), eo::extent<>(in), p.bias.data(), {y.data(), p.tokens, out}, 0,
                                  half.panels(), Arch{});
            for (std::size_t t = 0; t < p.tokens; ++t) {
                INFO("out " << out << ", in " << in << ", token " << t);
                REQUIRE(same_bits({y.data() + t * out, out}, p.outputs()[t]));
            }
        }
    }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("multiply: bf16 and f16 weights give the bits of the same weights in f32",
                        "[kernels][multiply][arithmetic]", support::archs) {
    check_half<eo::bf16, TestType>(70, 1.0f);
    check_half<eo::f16, TestType>(71, 1.0f);
    check_half<eo::f16, TestType>(72, 1e-5f);  // subnormal in binary16
}
