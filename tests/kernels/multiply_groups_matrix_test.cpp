// SPDX-License-Identifier: MIT
#include <earlyout/kernels/multiply_groups.hpp>
#include <earlyout/kernels/multiply_groups_matrix.hpp>

#include <cstddef>
#include <limits>
#include <thread>
#include <tuple>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace eo = earlyout;
using support::misaligned;
using support::same_bits;

namespace {

constexpr std::size_t beside = 5;  // columns of y that must not be written

template <class Format>
struct many_tokens {
    std::size_t out, in, tokens;
    eo::packed_matrix<Format> weights;
    support::rounded_rows rounded;
    std::vector<float> x;
    misaligned bias{0};

    many_tokens(std::size_t out_, std::size_t in_, std::size_t tokens_)
        : out(out_), in(in_), tokens(tokens_), weights(out, in), rounded(tokens, in) {
        support::random_source random(static_cast<std::uint32_t>(out + 7 * in + 31 * tokens));
        const auto w = random.floats(out * in);
        weights.set_rows(0, {w.data(), out, in});
        x = random.floats(tokens * in, 3.0f);
        bias = misaligned(random.floats(out));
        round();
    }
    void round() {
        for (std::size_t t = 0; t < tokens; ++t) rounded.set_row(t, x.data() + t * in, in);
    }
    eo::matrix_view<float> rows_of(misaligned& y) const { return {y.data(), tokens, out, out + beside}; }

    /// Multiplies `at_once` tokens at a time.
    misaligned run(std::size_t at_once, bool with_bias = true) const {
        misaligned y(tokens * (out + beside), -1.5f);
        for (std::size_t t = 0; t < tokens; t += at_once) {
            const std::size_t count = std::min(at_once, tokens - t);
            eo::kernels::multiply(weights, rounded.view(tokens, in).rows(t, count), eo::extent<>(in),
                                  with_bias ? bias.data() : nullptr, rows_of(y).rows(t, count), 0, weights.panels());
        }
        return y;
    }
};

using formats = std::tuple<eo::int8, eo::int4>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("int8 and int4: many tokens at once have the bits of each alone",
                        "[kernels][multiply][arithmetic]", formats) {
    const std::size_t outs[] = {1, 15, 16, 17, 33, 64, 100}, ins[] = {1, 32, 65, 768, 801, 1600};
    const std::size_t counts[] = {32, 33, 39, 40, 47, 128, 129, 150};
    for (std::size_t i = 0; i < 7 * 6; ++i) {
        const many_tokens<TestType> p(outs[i % 7], ins[i % 6], counts[i % 8]);
        CAPTURE(p.out, p.in, p.tokens);
        const bool with_bias = i % 5 != 0;
        const misaligned alone = p.run(1, with_bias), together = p.run(p.tokens, with_bias);
        REQUIRE(together.intact());
        REQUIRE(same_bits({together.data(), together.size()}, {alone.data(), alone.size()}));
    }
}

TEMPLATE_LIST_TEST_CASE("int8 and int4: some panels of many tokens", "[kernels][multiply]", formats) {
    const many_tokens<TestType> p(150, 96, 50);
    misaligned y(p.tokens * (p.out + beside), -1.5f);
    const misaligned all = p.run(50);
    eo::kernels::multiply(p.weights, p.rounded.view(50, 96), eo::extent<96>{}, p.bias.data(), p.rows_of(y), 2, 4);
    for (std::size_t t = 0; t < p.tokens; ++t) {
        for (std::size_t o = 0; o < p.out + beside; ++o) {
            const float expected = o >= 64 && o < 128 ? all.data()[t * (p.out + beside) + o] : -1.5f;
            REQUIRE(p.rows_of(y)[t][o] == expected);
        }
    }
}

TEMPLATE_LIST_TEST_CASE("a NaN stays in its own token among many", "[kernels][multiply]", formats) {
    many_tokens<TestType> p(40, 70, 60);
    const misaligned clean = p.run(60);
    p.x[21 * 70 + 5] = std::numeric_limits<float>::quiet_NaN();
    p.x[59 * 70 + 69] = -std::numeric_limits<float>::infinity();
    p.round();
    const misaligned y = p.run(60);
    for (std::size_t t = 0; t < 60; ++t) {
        for (std::size_t o = 0; o < 40; ++o) {
            const std::size_t i = t * (40 + beside) + o;
            REQUIRE((t == 21 || t == 59 ? std::isnan(y.data()[i]) : y.data()[i] == clean.data()[i]));
        }
    }
}

TEMPLATE_LIST_TEST_CASE("many tokens on several threads", "[kernels][multiply][threads]", formats) {
    const many_tokens<TestType> p(64, 800, 64);
    const misaligned expected = p.run(1);
    std::vector<misaligned> found(3, misaligned(0));
    std::vector<std::thread> threads;
    for (auto& y : found) threads.emplace_back([&] { y = p.run(64); });
    for (auto& thread : threads) thread.join();
    for (const auto& y : found) REQUIRE(same_bits({y.data(), y.size()}, {expected.data(), expected.size()}));
}

namespace {

struct unit_of_16 {
    static constexpr std::size_t tokens = 16;
};

}  // namespace

TEST_CASE("a matrix register is full or unused", "[kernels][multiply]") {
    const auto worth = [](std::size_t tokens) { return eo::kernels::worth_matrix_unit<unit_of_16>(tokens); };
    CHECK(worth(0) == 0);
    CHECK(worth(31) == 0);
    CHECK(worth(32) == 32);
    CHECK(worth(39) == 32);
    CHECK(worth(40) == 40);
    CHECK(worth(128) == 128);
}
