// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_STORED_ROWS_HPP
#define EARLYOUT_NN_STORED_ROWS_HPP

#include <earlyout/kernels/any_format.hpp>
#include <earlyout/kernels/packing_groups.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Returns the format that holds a tensor of that type without loss; for Q4_K and Q6_K int8, which is close.
[[nodiscard]] inline any_format format_of(dtype type) noexcept {
    switch (type) {
        case dtype::f32: return f32{};
        case dtype::f16: return f16{};
        case dtype::bf16: return bf16{};
        case dtype::q4_0: return int4{};
        case dtype::q8_0:
        case dtype::q4_k:
        case dtype::q6_k: return int8{};
    }
    return f32{};
}

/// Returns a format that holds both.
[[nodiscard]] inline any_format common_format(any_format a, any_format b) noexcept {
    const auto in_groups = [](any_format format) {
        return format.visit([](auto tag) { return group_format<decltype(tag)>; });
    };
    if (a == b) return a;
    if (in_groups(a) && in_groups(b)) return int8{};
    return f32{};
}

/// Converts a Q8_0 or Q4_0 block to a group of weights: the same scale, the same codes.
[[nodiscard]] inline coded_group stored_group(dtype type, const std::byte* block) noexcept {
    using earlyout::detail::byte_at;
    coded_group made;
    made.scale = earlyout::detail::half_bits(block);
    for (std::size_t i = 0; i < group_size; ++i) {
        if (type == dtype::q8_0) {
            made.codes[i] = static_cast<std::int8_t>(block[2 + i]);
        } else {
            const int both = byte_at(block + 2, i % 16);
            made.codes[i] = static_cast<std::int8_t>((i < 16 ? both & 15 : both >> 4) - 8);
        }
    }
    return made;
}

/// Copies rows first .. first + count - 1 of a stored matrix without rounding them again, to rows `to` and on: Q8_0
/// into int8, Q4_0 into int4 or int8.
/// @return whether it did; false if type and format are not such a pair, or a scale is not finite
template <class Format>
[[nodiscard]] bool take_rows(const tensor_view& from, std::size_t first, std::size_t count, packed_matrix<Format>& into,
                             std::size_t to) {
    if constexpr (std::is_same_v<Format, any_format>) {
        return into.visit([&](auto& held) { return take_rows(from, first, count, held, to); });
    } else if constexpr (group_format<Format>) {
        const bool taken = from.type == dtype::q4_0 || (from.type == dtype::q8_0 && std::is_same_v<Format, int8>);
        if (!taken) return false;
        const std::size_t groups = into.groups();
        const std::size_t size = block_bytes(from.type);
        const std::byte* block = from.bytes.data() + first * groups * size;
        for (std::size_t row = to; row < to + count; ++row) {
            for (std::size_t g = 0; g < groups; ++g, block += size) {
                const coded_group group = stored_group(from.type, block);
                if ((group.scale & 0x7c00) == 0x7c00) return false;
                into.set_group(row, g, group);
            }
        }
        return true;
    } else {
        return false;
    }
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
