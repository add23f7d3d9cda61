// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_STORED_ROWS_HPP
#define EARLYOUT_NN_STORED_ROWS_HPP

#include <earlyout/kernels/any_format.hpp>
#include <earlyout/kernels/packing_groups.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <algorithm>
#include <cstddef>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Returns the format that holds a tensor of that type without loss.
[[nodiscard]] inline any_format format_of(dtype type) noexcept {
    any_format found = f32{};
    if (type == dtype::f16) found = f16{};
    if (type == dtype::bf16) found = bf16{};
    earlyout::detail::visit_group_format(type, [&](auto format) { found = format; });
    return found;
}

/// Returns a format that holds both, if rows of both have to be in one.
[[nodiscard]] inline any_format common_format(any_format a, any_format b) noexcept {
    const auto in_groups = [](any_format format) {
        return format.visit([](auto tag) { return group_format<decltype(tag)>; });
    };
    if (a == b) return a;
    if (in_groups(a) && in_groups(b)) return int8{};
    return f32{};
}

/// Copies the 32 rows of a panel.
/// @param rows stored, one after the other
/// @return false if a scale is not finite
template <group_format Format>
[[nodiscard]] bool take_panel(const std::byte* rows, std::size_t panel, packed_matrix<Format>& into) {
    constexpr std::size_t size = block_bytes(Format::stored);
    const std::size_t blocks = into.blocks(), stride = blocks * size;
    for (std::size_t b = 0; b < blocks; ++b) {
        const std::byte* const block = rows + b * size;
        for (std::size_t r = 0; r < panel_rows; ++r) {
            if (!earlyout::detail::is_finite<Format>(block + r * stride)) return false;
        }
        into.set_blocks(panel, b, block, stride);
    }
    return true;
}

/// Copies rows first .. first + count - 1 of a stored matrix code by code, to rows `to` and on: if its type is the
/// format's, or Q4_0 into int8.
/// @return whether it did; false if type and format are not such a pair, or a scale is not finite
template <class Format>
[[nodiscard]] bool take_rows(const tensor_view& from, std::size_t first, std::size_t count, packed_matrix<Format>& into,
                             std::size_t to) {
    if constexpr (std::is_same_v<Format, any_format>) {
        return into.at_row(to, [&](auto& held, std::size_t row) { return take_rows(from, first, count, held, row); });
    } else if constexpr (group_format<Format>) {
        const bool widened = std::is_same_v<Format, int8> && from.type == dtype::q4_0;
        if (from.type != Format::stored && !widened) return false;
        const std::size_t size = block_bytes(from.type), blocks = into.blocks();
        const std::byte* block = from.bytes.data() + first * blocks * size;
        for (std::size_t row = to; row < to + count; ++row) {
            if (!widened && row % panel_rows == 0 && row + panel_rows <= to + count) {
                if (!take_panel(block, row / panel_rows, into)) return false;
                row += panel_rows - 1;
                block += panel_rows * blocks * size;
                continue;
            }
            for (std::size_t b = 0; b < blocks; ++b, block += size) {
                if (widened) {
                    if (!earlyout::detail::is_finite<int4>(block)) return false;
                    std::byte wide[block_bytes(dtype::q8_0)];
                    std::copy_n(block, 2, wide);
                    for (std::size_t i = 0; i < group_size; ++i) {
                        int8::set_code(wide, i, int4::code(block, i) - int4::zero + int8::zero);
                    }
                    into.set_block(row, b, wide);
                } else {
                    if (!earlyout::detail::is_finite<Format>(block)) return false;
                    into.set_block(row, b, block);
                }
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
