// SPDX-License-Identifier: MIT
#include <earlyout/kernels/group_pairs.hpp>

#include <cstddef>
#include <memory>
#include <vector>

#include "support/archs.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/random_blocks.hpp"
#include "support/rounding.hpp"

namespace eo = earlyout;

namespace {

/// A tile's sums of one panel's first block with the tokens from `first` on.
template <class Format, class Arch>
std::vector<float> tile_of(const eo::packed_matrix<Format>& matrix, const eo::kernels::quantized_view& x,
                           std::size_t first, std::size_t tokens) {
    using traits = eo::kernels::group_traits<Format>;
    constexpr auto& tiles =
        eo::kernels::chunk_tiles<Arch, traits::spans, traits::sign, eo::kernels::bytes_of_codes<Format, Arch>>;
    const auto memory = std::make_unique<eo::kernels::chunk_memory<Arch, Format>>();
    const eo::kernels::group_chunk chunk = memory->unpack(matrix.panel(0), matrix.blocks());
    alignas(64) float sums[eo::kernels::group_tile<Arch>::tokens * 32];
    for (std::size_t row = 0; row < 32; row += eo::kernels::group_tile<Arch>::rows) {
        tiles[tokens - 1](chunk, row, matrix.groups(), eo::kernels::code_zero<Format, Arch>,
                          eo::kernels::look_ahead(nullptr, 0), x.rows(first, tokens), true, sums);
    }
    return {sums, sums + tokens * 32};
}

}  // namespace

// Formats with one and with two spans in a group, with minimums, with codes of 8 bits, with a table.
TEMPLATE_TEST_CASE("a tile's sums are those of each token alone, an odd one's too", "[kernels][multiply][arithmetic]",
                   eo::int8, eo::int4, eo::q5_k, eo::q6_k, eo::iq4_xs) {
    using tile = eo::kernels::group_tile<eo::default_arch>;
    constexpr std::size_t in = 256, most = tile::tokens;
    eo::packed_matrix<TestType> matrix(32, in);
    support::random_source random(9);
    const std::size_t size = eo::block_bytes(TestType::stored), count = matrix.blocks();
    const std::vector<std::byte> blocks = support::random_blocks<TestType>(random, 32 * count);
    for (std::size_t i = 0; i < 32 * count; ++i) matrix.set_block(i / count, i % count, blocks.data() + i * size);
    support::rounded_rows rounded(most, in);
    for (std::size_t t = 0; t < most; ++t) rounded.set_row(t, random.floats(in).data(), in);
    const eo::kernels::quantized_view x = rounded.view(most, in);
    for (std::size_t tokens = 2; tokens <= most; ++tokens) {
        const std::vector<float> together = tile_of<TestType, eo::default_arch>(matrix, x, 0, tokens);
        for (std::size_t t = 0; t < tokens; ++t) {
            const std::vector<float> alone = tile_of<TestType, eo::default_arch>(matrix, x, t, 1);
            for (std::size_t r = 0; r < 32; ++r) REQUIRE(together[t * 32 + r] == alone[r]);
        }
    }
}
