// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_SHARDS_HPP
#define EARLYOUT_CALIBRATE_SHARDS_HPP

#include <earlyout/core/config.hpp>

#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Number of parts that work over texts is always split into, on any number of workers: results are merged in the order
/// of the parts, so that their bits do not depend on which worker computed which.
inline constexpr std::size_t shard_count = 64;

/// Returns the items of one shard, contiguous and in order.
/// @param shard 0 .. shard_count - 1
template <class Item>
[[nodiscard]] std::span<const Item> shard_of(std::span<const Item> items, std::size_t shard) noexcept {
    const std::size_t begin = items.size() * shard / shard_count;
    return items.subspan(begin, items.size() * (shard + 1) / shard_count - begin);
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
