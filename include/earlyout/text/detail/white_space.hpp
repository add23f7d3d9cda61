// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_WHITE_SPACE_HPP
#define EARLYOUT_TEXT_DETAIL_WHITE_SPACE_HPP

#include <earlyout/text/detail/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// Returns whether a character has Unicode's White_Space property.
[[nodiscard]] constexpr bool is_white_space(char32_t c) noexcept {
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/// Returns the bytes of white space at the start of `text`.
[[nodiscard]] inline std::size_t white_space_prefix(std::string_view text) noexcept {
    std::size_t size = 0;
    for (;;) {
        const utf8_prefix here = look_at_utf8(text.substr(size));
        if (!here.complete() || !is_white_space(utf8_code_point(text.substr(size), here.needed))) return size;
        size += here.needed;
    }
}

/// Returns the last character of `text`; empty when it does not end with a whole one.
[[nodiscard]] inline std::string_view last_character(std::string_view text) noexcept {
    for (std::size_t size = 1; size <= std::min<std::size_t>(4, text.size()); ++size) {
        const std::string_view end = text.substr(text.size() - size);
        const utf8_prefix here = look_at_utf8(end);
        if (here.needed > 0) return here.complete() && here.needed == size ? end : std::string_view();
    }
    return {};
}

/// Returns the bytes of white space at the end of `text`.
[[nodiscard]] inline std::size_t white_space_suffix(std::string_view text) noexcept {
    std::size_t size = 0;
    for (;;) {
        const std::string_view last = last_character(text.substr(0, text.size() - size));
        if (last.empty() || !is_white_space(utf8_code_point(last, last.size()))) return size;
        size += last.size();
    }
}

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
