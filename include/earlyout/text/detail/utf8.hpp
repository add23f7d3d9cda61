// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_UTF8_HPP
#define EARLYOUT_TEXT_DETAIL_UTF8_HPP

#include <earlyout/core/config.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// Classification of the bytes at the start of a text as UTF-8 (Unicode, table 3-7: no overlong forms, no surrogates,
/// nothing above U+10FFFF).
struct utf8_prefix {
    std::size_t matched = 0;  ///< leading bytes that begin one character
    std::size_t needed = 0;   ///< bytes of that whole character; 0 when the first byte begins none

    [[nodiscard]] bool complete() const noexcept { return needed > 0 && matched == needed; }
};

[[nodiscard]] inline utf8_prefix look_at_utf8(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (text.empty()) return {};
    const unsigned lead = byte(0);
    if (lead < 0x80) return {1, 1};
    if (lead < 0xc2 || lead > 0xf4) return {0, 0};
    const std::size_t needed = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    // Only the second byte's range depends on the first.
    const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    const std::size_t last = std::min(needed, text.size());
    std::size_t matched = 1;
    while (matched < last && byte(matched) >= (matched == 1 ? low : 0x80) &&
           byte(matched) <= (matched == 1 ? high : 0xbf)) {
        ++matched;
    }
    return {matched, needed};
}

/// Returns the bytes of the longest valid prefix of `text`.
[[nodiscard]] inline std::size_t valid_utf8_prefix(std::string_view text) noexcept {
    std::size_t end = 0;
    while (end < text.size()) {
        const utf8_prefix here = look_at_utf8(text.substr(end));
        if (!here.complete()) break;
        end += here.needed;
    }
    return end;
}

/// Returns the number of bytes at the end of `text` that begin an incomplete character: 0 to 3.
[[nodiscard]] inline std::size_t incomplete_utf8_suffix(std::string_view text) noexcept {
    for (std::size_t size = 1; size <= std::min<std::size_t>(3, text.size()); ++size) {
        const utf8_prefix here = look_at_utf8(text.substr(text.size() - size));
        if (here.needed > 0) return here.matched == size && here.needed > size ? size : 0;
    }
    return 0;
}

/// Returns the code point of the complete character at the start of `text`.
[[nodiscard]] inline char32_t utf8_code_point(std::string_view text, std::size_t size) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (size == 1) return byte(0);
    char32_t code = byte(0) & (0xffU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) code = (code << 6) | (byte(i) & 0x3fU);
    return code;
}

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
