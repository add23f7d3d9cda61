// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_TEXT_START_HPP
#define EARLYOUT_TEXT_DETAIL_TEXT_START_HPP

#include <earlyout/core/config.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// What decoding omits at the start of a text, because encoding added it.
struct text_start {
    std::size_t spaces = 0;        ///< up to this many spaces
    bool spaces_of_first = false;  ///< all spaces of the first token
};

/// Removes that from the pieces of one text.
class start_trimmer {
public:
    start_trimmer() = default;
    explicit start_trimmer(const text_start& left_out) : left_(left_out) {}

    /// Copies a piece without the omitted part. @param out room for all of it
    /// @return the bytes copied
    std::size_t copy(std::string_view piece, char* out) noexcept {
        if (piece.empty()) return 0;
        char* end = out;
        if (left_.spaces_of_first) {
            end = std::copy_if(piece.begin(), piece.end(), out, [](char c) { return c != ' '; });
            left_.spaces_of_first = false;
        } else {
            const std::size_t first = std::min(piece.find_first_not_of(' '), piece.size());
            const std::size_t skipped = std::min(first, left_.spaces);
            left_.spaces -= skipped;
            end = std::copy(piece.begin() + static_cast<std::ptrdiff_t>(skipped), piece.end(), out);
        }
        if (end != out) left_.spaces = 0;
        return static_cast<std::size_t>(end - out);
    }

private:
    text_start left_;
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
