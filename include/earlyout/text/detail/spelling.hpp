// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_SPELLING_HPP
#define EARLYOUT_TEXT_DETAIL_SPELLING_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/text/detail/normalizer.hpp>
#include <earlyout/text/detail/unicode_forms.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// SentencePiece's spelling of a space: U+2581.
inline constexpr std::string_view sentence_piece_space = "\xe2\x96\x81";

/// Returns the byte that a piece spelled "<0x0A>" denotes.
[[nodiscard]] inline std::optional<unsigned char> byte_of_piece(std::string_view spelled) noexcept {
    if (spelled.size() != 6 || !spelled.starts_with("<0x") || spelled[5] != '>') return std::nullopt;
    unsigned value = 0;
    for (const char c : spelled.substr(3, 2)) {
        const bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'A' && c <= 'F')) return std::nullopt;
        value = value * 16 + static_cast<unsigned>(digit ? c - '0' : c - 'A' + 10);
    }
    return static_cast<unsigned char>(value);
}

/// Returns `spelled` with `to` for each `from`, which is not empty.
[[nodiscard]] inline std::string replaced(std::string_view spelled, std::string_view from, std::string_view to) {
    std::string made;
    for (;;) {
        const std::size_t found = spelled.find(from);
        made.append(spelled.substr(0, found));
        if (found == std::string_view::npos) return made;
        made.append(to);
        spelled.remove_prefix(found + from.size());
    }
}
[[nodiscard]] inline std::string with_spaces(std::string_view spelled) {
    return replaced(spelled, sentence_piece_space, " ");
}

/// @throws error (unsupported) if the library was built without Unicode normalization
[[nodiscard]] inline normalizer_step unicode_step(unicode_form form, const std::string& where) {
    if (!has_unicode_forms) {
        fail(errc::unsupported, where, ": expected no Unicode normalization, as earlyout was built without utf8proc");
    }
    return {.what = normalizer_step::kind::unicode, .from = {}, .at = {}, .to = {}, .form = form};
}

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
