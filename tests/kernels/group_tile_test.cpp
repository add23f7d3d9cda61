// SPDX-License-Identifier: MIT
#include <earlyout/kernels/group_pairs.hpp>
#include <earlyout/kernels/group_tile.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "support/archs.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/random_blocks.hpp"
#include "support/rounding.hpp"

namespace eo = earlyout;

// Whole products, of all formats and numbers of tokens: multiply_groups_test.cpp.
TEMPLATE_LIST_TEST_CASE("a tile adds some groups to the sums that it is given", "[kernels][multiply]", support::archs) {
    using format = eo::q4_k;
    using tile = eo::kernels::group_tile<TestType>;
    constexpr std::size_t in = 256, tokens = tile::tokens;
    eo::packed_matrix<format> matrix(32, in);
    support::random_source random(8);
    const std::vector<std::byte> blocks = support::random_blocks<format>(random, 32);
    for (std::size_t r = 0; r < 32; ++r) matrix.set_block(r, 0, blocks.data() + r * 144);
    support::rounded_rows rounded(tokens, in);
    for (std::size_t t = 0; t < tokens; ++t) rounded.set_row(t, random.floats(in).data(), in);
    const eo::kernels::quantized_view x = rounded.view(tokens, in);
    const auto memory = std::make_unique<eo::kernels::chunk_memory<TestType, format>>();
    const eo::kernels::group_chunk chunk = memory->unpack(matrix.panel(0), 1);
    constexpr auto& tiles = eo::kernels::chunk_tiles<TestType, 1, -1, eo::kernels::bytes_of_codes<format, TestType>>;
    const eo::kernels::look_ahead nothing(nullptr, 0);

    alignas(64) float whole[tokens * 32], parts[tokens * 32];
    for (std::size_t row = 0; row < 32; row += tile::rows) {
        tiles[tokens - 1](chunk, row, 8, format::zero, nothing, x, true, whole);
        tiles[tokens - 1](chunk, row, 3, format::zero, nothing, x, true, parts);
        const eo::kernels::group_chunk rest{chunk.codes + 3 * chunk.stride, chunk.stride, chunk.scales + 3 * 32,
                                            chunk.minimums + 3 * 32};
        tiles[tokens - 1](rest, row, 5, format::zero, nothing, x.from_group(3), false, parts);
    }
    std::vector<float> weights(in);
    for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t r = 0; r < 32; ++r) {
            matrix.copy_row(r, weights.data());
            double exact = 0, magnitude = 0;
            for (std::size_t k = 0; k < in; ++k) {
                const double term = double{x.scales[t * 8 + k / 32]} * x.codes[t * in + k] * double{weights[k]};
                exact += term;
                magnitude += std::abs(term);
            }
            REQUIRE(std::abs(whole[t * 32 + r] - exact) <= 1e-5 * magnitude + 1e-6);
            REQUIRE(parts[t * 32 + r] == whole[t * 32 + r]);
        }
    }
}
