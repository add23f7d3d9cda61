// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_RANDOM_BLOCKS_HPP
#define EARLYOUT_TESTS_SUPPORT_RANDOM_BLOCKS_HPP

#include <earlyout/weights/blocks.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <vector>

#include "support/random.hpp"

namespace support {

namespace detail {

template <class... Formats>
std::tuple<Formats...> as_tuple(earlyout::format_list<Formats...>);

}  // namespace detail

/// All group formats, for TEMPLATE_LIST_TEST_CASE.
using group_formats = decltype(detail::as_tuple(earlyout::group_formats{}));

/// Makes `count` blocks of random bytes, with scales around `scale`.
template <class Format>
std::vector<std::byte> random_blocks(random_source& random, std::size_t count, float scale = 0.05f) {
    constexpr earlyout::block_layout layout = Format::layout;
    const std::size_t size = earlyout::block_bytes(Format::stored);
    std::vector<std::byte> blocks(count * size);
    for (std::byte& b : blocks) b = static_cast<std::byte>(random.index(256));
    for (std::size_t i = 0; i < count; ++i) {
        std::byte* const block = blocks.data() + i * size;
        for (std::size_t f = 0; f < layout.factor_count(); ++f) {
            const std::uint16_t factor = earlyout::float_to_f16(random.floats(1, scale)[0]);
            std::memcpy(block + layout.factor_at(f), &factor, sizeof factor);
        }
        if (layout.is_exponent) block[layout.first_byte] = static_cast<std::byte>(118 + random.index(8));
    }
    return blocks;
}

}  // namespace support

#endif
