// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_PRINTABLE_HPP
#define EARLYOUT_IO_DETAIL_PRINTABLE_HPP

#include <earlyout/core/config.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

/// At most 160 characters of a text from a file; what does not print is '?'.
[[nodiscard]] inline std::string printable(std::string_view text) {
    constexpr std::size_t longest = 160;
    std::string made(text.substr(0, longest));
    if (text.size() > longest) made += "...";
    std::ranges::replace_if(
        made, [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e; }, '?');
    return made;
}

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
