// SPDX-License-Identifier: MIT
#include <earlyout/kernels/multiply_groups.hpp>
#include <earlyout/kernels/multiply_groups_matrix.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/random_blocks.hpp"
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
        const std::size_t size = eo::block_bytes(Format::stored), count = out * weights.blocks();
        const std::vector<std::byte> blocks = support::random_blocks<Format>(random, count);
        for (std::size_t i = 0; i < count; ++i) {
            weights.set_block(i / weights.blocks(), i % weights.blocks(), blocks.data() + i * size);
        }
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

}  // namespace

TEMPLATE_LIST_TEST_CASE("many tokens at once have the bits of each alone", "[kernels][multiply][arithmetic]",
                        support::group_formats) {
    const bool padded = TestType::layout.values == eo::group_size;
    const std::size_t outs[] = {1, 15, 16, 17, 33, 64, 100};
    const std::vector<std::size_t> ins = padded ? std::vector<std::size_t>{1, 32, 65, 768, 801, 1600}
                                                : std::vector<std::size_t>{256, 512, 768, 1024, 1280, 1792};
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

TEMPLATE_TEST_CASE("many tokens on several threads", "[kernels][multiply][threads]", eo::int8, eo::int4, eo::q4_k) {
    const many_tokens<TestType> p(64, 768, 64);
    const misaligned expected = p.run(1);
    std::vector<misaligned> found(3, misaligned(0));
    std::vector<std::thread> threads;
    for (auto& y : found) threads.emplace_back([&] { y = p.run(64); });
    for (auto& thread : threads) thread.join();
    for (const auto& y : found) REQUIRE(same_bits({y.data(), y.size()}, {expected.data(), expected.size()}));
}

namespace {

/// What amx_unit does, in plain code.
struct plain_unit {
    static constexpr std::size_t tokens = 16;

    class registers {
    public:
        explicit registers(std::size_t inputs) noexcept { multiplied = inputs; }
    };
    template <bool Odd>
    static void start(const std::uint8_t* codes, std::size_t four_bytes, const std::int8_t* values,
                      std::size_t row_bytes) noexcept {
        for (std::size_t t = 0; t < 16; ++t) {
            for (std::size_t r = 0; r < 16; ++r) {
                std::int32_t sum = 0;
                for (std::size_t k = 0; k < multiplied; ++k) {
                    sum +=
                        values[t * row_bytes + k] * static_cast<std::int8_t>(codes[k / 4 * four_bytes + r * 4 + k % 4]);
                }
                held[Odd][t * 16 + r] = sum;
            }
        }
    }
    template <bool Odd>
    static void finish(std::int32_t* sums) noexcept {
        std::copy_n(held[Odd], 256, sums);
    }

private:
    static inline std::size_t multiplied = 0;
    static inline std::int32_t held[2][256];
};

}  // namespace

// Also where there is no matrix unit.
TEMPLATE_LIST_TEST_CASE("a matrix unit's products have the bits of each token alone", "[kernels][multiply][arithmetic]",
                        support::group_formats) {
    if constexpr (eo::kernels::lanes<eo::default_arch> == plain_unit::tokens) {
        const bool padded = TestType::layout.values == eo::group_size;
        const std::size_t outs[] = {1, 17, 33, 64};
        const std::vector<std::size_t> ins =
            padded ? std::vector<std::size_t>{32, 65, 801, 1600} : std::vector<std::size_t>{256, 512, 1280, 1792};
        const std::size_t counts[] = {16, 39, 129, 150};
        for (std::size_t i = 0; i < 8; ++i) {
            const many_tokens<TestType> p(outs[i % 4], ins[(i + i / 4) % 4], counts[i % 4]);
            CAPTURE(p.out, p.in, p.tokens);
            const misaligned alone = p.run(1);
            misaligned y(p.tokens * (p.out + beside), -1.5f);
            eo::kernels::multiply_groups_matrix<eo::default_arch, plain_unit>(
                p.weights, p.rounded.view(p.tokens, p.in), p.bias.data(), p.rows_of(y), 0, p.weights.panels(), 0);
            REQUIRE(y.intact());
            REQUIRE(same_bits({y.data(), y.size()}, {alone.data(), alone.size()}));
        }
    }
}

TEST_CASE("a matrix register is full or unused", "[kernels][multiply]") {
    const auto worth = [](std::size_t tokens) { return eo::kernels::worth_matrix_unit<plain_unit>(tokens); };
    CHECK(worth(0) == 0);
    CHECK(worth(31) == 0);
    CHECK(worth(32) == 32);
    CHECK(worth(39) == 32);
    CHECK(worth(40) == 40);
    CHECK(worth(128) == 128);
}
