// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_UNICODE_FORMS_HPP
#define EARLYOUT_TEXT_DETAIL_UNICODE_FORMS_HPP

#include <earlyout/core/config.hpp>
#include <earlyout/text/detail/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#ifdef EARLYOUT_HAS_UTF8PROC
#include <utf8proc.h>
#endif

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// A normalization form of Unicode (UAX #15).
struct unicode_form {
    bool compatible = false;  ///< NFKC, NFKD
    bool composed = true;     ///< NFC, NFKC

    /// Returns the bound below which every character is unchanged by this form and does not combine with the previous
    /// one.
    [[nodiscard]] char32_t plain_below() const noexcept { return compatible ? 0xa0 : composed ? 0x300 : 0xc0; }
};

#ifdef EARLYOUT_HAS_UTF8PROC

inline constexpr bool has_unicode_forms = true;

/// Appends the form of `text`, valid UTF-8, to `out`. Time O(n log n), however many combining marks follow each other.
inline void append_unicode_form(unicode_form form, std::string_view text, std::string& out) {
    const int options = form.compatible ? UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT : UTF8PROC_DECOMPOSE;
    std::vector<utf8proc_int32_t> codes;
    codes.reserve(text.size());
    while (!text.empty()) {
        constexpr std::size_t longest = 18;  // the longest decomposition of one character
        const std::size_t size = look_at_utf8(text).needed;
        utf8proc_int32_t parts[longest];
        int boundary = 0;
        const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(utf8_code_point(text, size)), parts,
                                                   longest, static_cast<utf8proc_option_t>(options), &boundary);
        if (count > 0) codes.insert(codes.end(), parts, parts + std::min<utf8proc_ssize_t>(count, longest));
        text.remove_prefix(size);
    }
    // Marks in the order of their classes. utf8proc's own sort is O(n^2).
    const auto mark_class = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
    for (auto at = codes.begin(); at != codes.end();) {
        at = std::find_if(at, codes.end(), [&](utf8proc_int32_t c) { return mark_class(c) != 0; });
        const auto end = std::find_if(at, codes.end(), [&](utf8proc_int32_t c) { return mark_class(c) == 0; });
        std::stable_sort(at, end,
                         [&](utf8proc_int32_t a, utf8proc_int32_t b) { return mark_class(a) < mark_class(b); });
        at = end;
    }
    auto size = static_cast<utf8proc_ssize_t>(codes.size());
    if (form.composed) {
        size = utf8proc_normalize_utf32(codes.data(), size,
                                        static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    }
    for (utf8proc_ssize_t i = 0; i < size; ++i) {
        utf8proc_uint8_t bytes[4];
        const auto count = static_cast<std::size_t>(utf8proc_encode_char(codes[static_cast<std::size_t>(i)], bytes));
        out.append(reinterpret_cast<const char*>(bytes), count);
    }
}

#else

inline constexpr bool has_unicode_forms = false;
inline void append_unicode_form(unicode_form, std::string_view text, std::string& out) { out.append(text); }

#endif

/// Writes the form of `text`, any bytes, to `out`, which is empty; bytes that are not UTF-8 are unchanged. Returns
/// false, and writes nothing, when all of the text is plain.
inline bool to_unicode_form(unicode_form form, std::string_view text, std::string& out) {
    const auto plain = static_cast<unsigned char>(form.plain_below() == 0x300 ? 0xcc : 0xc2);  // lead bytes below are
    const auto is_plain = [&](char c) { return static_cast<unsigned char>(c) < plain; };
    if (std::ranges::all_of(text, is_plain)) return false;
    std::size_t begin = 0;  // of the current run: valid, and only its first character may be plain
    std::size_t at = 0;
    const auto flush = [&](std::size_t end, bool as_it_is) {
        const std::string_view run = text.substr(begin, end - begin);
        if (as_it_is) {
            out.append(run);
        } else {
            append_unicode_form(form, run, out);
        }
        begin = end;
    };
    bool changes = false;  // something in the run is not plain
    while (at < text.size()) {
        const utf8_prefix here = look_at_utf8(text.substr(at));
        const std::size_t size = here.complete() ? here.needed : 1;
        if (!here.complete()) {
            flush(at, !changes);
            out += text[at];
            begin = at + 1;
            changes = false;
        } else if (utf8_code_point(text.substr(at), size) < form.plain_below()) {
            flush(at, !changes);
            changes = false;
        } else {
            changes = true;
        }
        at += size;
    }
    flush(at, !changes);
    return true;
}

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
