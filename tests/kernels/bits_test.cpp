// SPDX-License-Identifier: MIT
// The bits of products are the same on every instruction set that fuses products and sums.
#include <earlyout/kernels/multiply.hpp>
#include <earlyout/kernels/multiply_groups.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "support/archs.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/random_blocks.hpp"
#include "support/rounding.hpp"

namespace eo = earlyout;

namespace {

/// Those of AVX2 with FMA and of AVX-512, GCC 12.
constexpr std::pair<std::string_view, std::uint32_t> expected_bits[] = {
    {"f32", 0x0bc0c9edu},  {"bf16", 0xfe1f24ecu},   {"f16", 0x2bfdeb29u},    {"int8", 0x09c1de4bu},
    {"int4", 0x9f225bb1u}, {"q4_1", 0x3e2067bbu},   {"q5_0", 0x551e1b73u},   {"q5_1", 0x2950239bu},
    {"q2_k", 0xcbe52d70u}, {"q3_k", 0xc78192d8u},   {"q4_k", 0x31500bfdu},   {"q5_k", 0x52420900u},
    {"q6_k", 0x2daa4669u}, {"iq4_nl", 0x8762233fu}, {"iq4_xs", 0x5766ab05u}, {"mxfp4", 0x5d81d04du},
};

/// True if this instruction set rounds a product and a sum once.
bool fuses_products() {
    using batch = eo::float_batch<eo::default_arch>;
    // (1 + 2^-12)^2 - (1 + 2^-11) = 2^-24, half of the last place of the product, which is rounded to even
    return eo::kernels::sum_lanes<eo::default_arch>(eo::kernels::multiply_add<eo::default_arch>(
               batch(1.0f + 0x1p-12f), batch(1.0f + 0x1p-12f), batch(-1.0f - 0x1p-11f))) != 0.0f;
}

/// Exact multiples of a power of two: whatever a compiler fuses, they are the same.
std::vector<float> exact_numbers(support::random_source& random, std::size_t count) {
    std::vector<float> made(count);
    for (float& x : made) x = static_cast<float>(static_cast<int>(random.index(1u << 20)) - (1 << 19)) * 0x1p-17f;
    return made;
}

/// FNV-1a of the bits.
std::uint32_t hash_of_bits(const std::vector<float>& values) {
    std::uint32_t found = 2166136261u;
    for (const float value : values) {
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (int shift = 0; shift < 32; shift += 8) found = (found ^ (bits >> shift & 255u)) * 16777619u;
    }
    return found;
}

template <class Format>
std::uint32_t bits_of_product() {
    constexpr std::size_t out = 40, in = 768, tokens = 9;
    support::random_source random(21);
    eo::packed_matrix<Format> weights(out, in);
    const std::vector<float> x = exact_numbers(random, tokens * in), bias = exact_numbers(random, out);
    std::vector<float> y(tokens * out);
    if constexpr (eo::element_format<Format>) {
        weights.set_rows(0, {exact_numbers(random, out * in).data(), out, in});
        eo::kernels::multiply(weights, {x.data(), tokens, in}, eo::extent<>(in), bias.data(), {y.data(), tokens, out},
                              0, weights.panels());
    } else {
        const std::size_t size = eo::block_bytes(Format::stored);
        std::vector<std::byte> blocks = support::random_blocks<Format>(random, out * weights.blocks());
        for (std::size_t i = 0; i < out * weights.blocks(); ++i) {
            std::byte* const block = blocks.data() + i * size;
            for (std::size_t f = 0; f < Format::layout.factor_count(); ++f) {
                const std::uint16_t factor = eo::float_to_f16(exact_numbers(random, 1)[0] * 0x1p-6f);
                std::memcpy(block + Format::layout.factor_at(f), &factor, sizeof factor);
            }
            weights.set_block(i / weights.blocks(), i % weights.blocks(), block);
        }
        support::rounded_rows rounded(tokens, in);
        for (std::size_t t = 0; t < tokens; ++t) rounded.set_row(t, x.data() + t * in, in);
        eo::kernels::multiply(weights, rounded.view(tokens, in), eo::extent<>(in), bias.data(), {y.data(), tokens, out},
                              0, weights.panels());
    }
    return hash_of_bits(y);
}

template <class Format>
void check_bits() {
    if (!fuses_products()) return;
    for (const auto& [name, bits] : expected_bits) {
        if (name != Format::name) continue;
        CAPTURE(name);
        CHECK(bits_of_product<Format>() == bits);
        return;
    }
    FAIL("expected the bits of " << Format::name);
}

}  // namespace

TEMPLATE_TEST_CASE("bits of products with floats, on every instruction set", "[kernels][arithmetic]", eo::f32, eo::bf16,
                   eo::f16) {
    check_bits<TestType>();
}

TEMPLATE_LIST_TEST_CASE("bits of products with groups, on every instruction set", "[kernels][arithmetic]",
                        support::group_formats) {
    check_bits<TestType>();
}
