// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_NUMBER_TEXT_HPP
#define EARLYOUT_CORE_NUMBER_TEXT_HPP

#include <earlyout/core/config.hpp>

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <version>

#if !defined(__cpp_lib_to_chars)
#include <locale>
#include <sstream>
#include <string>
#endif

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// Returns the number that a text is, whatever the locale; nothing where it is more or less than a number.
[[nodiscard]] inline std::optional<float> number_in(std::string_view text) {
    float value = 0.0f;
#if defined(__cpp_lib_to_chars)
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
#else  // libc++ 16 reads integers alone
    if (text.empty() || text.front() == '+' || text.find_first_of(" \t\nxX") != text.npos) return std::nullopt;
    std::istringstream in{std::string(text)};
    in.imbue(std::locale::classic());
    if (!(in >> value) || in.peek() != std::istringstream::traits_type::eof()) return std::nullopt;
#endif
    return value;
}

}  // namespace detail

}}  // namespace earlyout::EARLYOUT_ABI

#endif
