// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_BLOCK_FORMAT_HPP
#define EARLYOUT_TESTS_SUPPORT_BLOCK_FORMAT_HPP

#include <earlyout/weights/blocks.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace support {

/// Checks that a group format writes what it reads: every code and, where the block has bytes for them, every scale and
/// minimum, each without touching another. What the bytes mean is checked against another implementation
/// (io/gguf_file_test.cpp).
template <class Format>
void check_block_format() {
    constexpr earlyout::block_layout layout = Format::layout;
    STATIC_REQUIRE(earlyout::group_format<Format>);
    STATIC_REQUIRE(layout.values == earlyout::block_elements(Format::stored));
    const std::size_t size = earlyout::block_bytes(Format::stored);
    CHECK(size * 8 ==
          layout.values * Format::bits + 16 * layout.factor_count() + 8 * layout.bytes);  // nothing is unused
    random_source random(1);
    std::vector<std::byte> block(size), factors(size);
    for (std::byte& b : block) b = static_cast<std::byte>(random.index(256));
    factors = block;
    std::vector<int> codes(layout.values), scales(layout.spans()), minimums(layout.spans());
    const auto byte = [&](std::size_t i) { return earlyout::detail::byte_at(block.data(), layout.first_byte + i); };
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < layout.values; ++i) {
            const std::size_t at = i * 37 % layout.values;
            codes[at] = static_cast<int>(random.index(1u << Format::bits));
            Format::set_code(block.data(), at, codes[at]);
        }
        if constexpr (requires { Format::max_scale; }) {
            for (std::size_t s = 0; s < layout.spans(); ++s) {
                const auto range = static_cast<unsigned>(Format::max_scale - Format::min_scale + 1);
                scales[s] = Format::min_scale + static_cast<int>(random.index(range));
                Format::set_scale(block.data(), s, scales[s]);
                if constexpr (layout.offset != 0) {
                    minimums[s] = static_cast<int>(random.index(range));
                    Format::set_minimum(block.data(), s, minimums[s]);
                }
            }
        }
    }
    for (std::size_t i = 0; i < layout.values; ++i) CHECK(Format::code(block.data(), i) == codes[i]);
    if constexpr (requires { Format::max_scale; }) {
        for (std::size_t s = 0; s < layout.spans(); ++s) {
            CHECK(Format::scale(s, byte) == scales[s]);
            if constexpr (layout.offset != 0) CHECK(Format::minimum(s, byte) == minimums[s]);
        }
    }
    for (std::size_t f = 0; f < layout.factor_count(); ++f) {
        CHECK(std::equal(&block[layout.factor_at(f)], &block[layout.factor_at(f)] + 2, &factors[layout.factor_at(f)]));
    }
}

}  // namespace support

#endif
