// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_STOP_MATCHER_HPP
#define EARLYOUT_GENERATE_STOP_MATCHER_HPP

#include <earlyout/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Matches stop strings in streamed text and determines how much of it may be shown: everything before a stop string,
/// and nothing yet of what might become one. Works on the accumulated text, so that a rollback only shortens that text.
class stop_matcher {
public:
    explicit stop_matcher(std::span<const std::string> stop_strings = {}) : stop_strings_(stop_strings) {
        for (const std::string& s : stop_strings) {
            if (s.empty()) fail(errc::invalid_argument, "stop strings: expected at least one character, found none");
            longest_ = std::max(longest_, s.size());
        }
    }

    struct answer {
        std::size_t shown = 0;  ///< bytes of the text that are safe to show
        bool found = false;     ///< a stop string begins at `shown`
    };

    /// @param text all text so far
    /// @param seen bytes of it passed in earlier calls
    [[nodiscard]] answer look(std::string_view text, std::size_t seen) const noexcept {
        if (longest_ == 0) return {text.size(), false};
        const std::size_t from = seen < longest_ ? 0 : seen - longest_ + 1;
        std::size_t first = std::string_view::npos;
        for (const std::string& s : stop_strings_) first = std::min(first, text.find(s, from));
        if (first != std::string_view::npos) return {first, true};
        return {text.size() - possible_start(text), false};
    }

    /// Returns the bytes of the longest stop string; 0 without any.
    [[nodiscard]] std::size_t longest() const noexcept { return longest_; }

private:
    /// Returns the length of the longest end of the text with which a stop string begins.
    [[nodiscard]] std::size_t possible_start(std::string_view text) const noexcept {
        for (std::size_t length = std::min(longest_ - 1, text.size()); length != 0; --length) {
            const std::string_view end = text.substr(text.size() - length);
            for (const std::string& s : stop_strings_) {
                if (s.size() > length && std::string_view(s).starts_with(end)) return length;
            }
        }
        return 0;
    }

    std::span<const std::string> stop_strings_;
    std::size_t longest_ = 0;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
