// SPDX-License-Identifier: MIT
#include <earlyout/kernels/group_chunk.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/random_blocks.hpp"

namespace eo = earlyout;

namespace {

/// Counts the codes, scales and minimums of a chunk that are not the first panel's.
/// @param side inputs of a row that are side by side
template <class Format, class Byte>
std::size_t differences(const eo::packed_matrix<Format>& matrix, const eo::kernels::group_chunk& chunk,
                        std::size_t side, int zero, Byte byte_of) {
    std::size_t wrong = 0;
    for (std::size_t k = 0; k < matrix.in(); ++k) {
        for (std::size_t r = 0; r < 32; ++r) {
            const int value = eo::detail::value_of<Format>(matrix.codes(r, k / 32)[k % 32]);
            const std::size_t at = k / 32 * chunk.stride + k % 32 / side * side * 32 + r * side + k % side;
            wrong += byte_of(chunk.codes[at]) != value + zero;
            const std::size_t span = k / Format::layout.span;
            const auto scale = matrix.scale(r, span);
            wrong += chunk.scales[span * 32 + r] != scale.scale;
            if (Format::layout.offset != 0) {
                wrong += chunk.minimums[span * 32 + r] * Format::layout.offset != scale.offset;
            }
        }
    }
    return wrong;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a chunk holds the codes, scales and minimums of a panel", "[kernels][group_chunk]",
                        support::group_formats) {
    constexpr eo::block_layout layout = TestType::layout;
    const std::size_t blocks = 512 / layout.values;
    eo::packed_matrix<TestType> matrix(32, 512);
    support::random_source random(4);
    const std::vector<std::byte> stored = support::random_blocks<TestType>(random, 32 * blocks);
    for (std::size_t i = 0; i < 32 * blocks; ++i) {
        matrix.set_block(i / blocks, i % blocks, stored.data() + i * eo::block_bytes(TestType::stored));
    }
    using memory = eo::kernels::chunk_memory<eo::default_arch, TestType>;
    STATIC_REQUIRE(memory::groups == 16);
    const auto room = std::make_unique<memory>();
    // Codes of 8 bits are stored as they are, whatever is subtracted before they are multiplied.
    constexpr bool is_signed = eo::has_values<TestType> && eo::kernels::code_zero<TestType, eo::default_arch> == 0;
    const auto byte = [](std::uint8_t code) { return is_signed ? int{static_cast<std::int8_t>(code)} : int{code}; };
    constexpr std::size_t side = eo::kernels::has_multiply_eights<eo::default_arch> ? 8 : 4;
    CHECK(differences(matrix, room->unpack(matrix.panel(0), blocks), side, is_signed ? 0 : TestType::zero, byte) == 0);
    CHECK(differences(matrix, room->unpack_signed(matrix.panel(0), blocks), 4, 0,
                      [](std::uint8_t code) { return int{static_cast<std::int8_t>(code)}; }) == 0);
}
