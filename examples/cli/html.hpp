// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_HTML_HPP
#define EARLYOUT_EXAMPLES_CLI_HTML_HPP

#include <initializer_list>
#include <string>
#include <string_view>

/// @file Text as HTML and SVG want it. What is written is also well-formed XML: every element is closed.

namespace cli {

/// For text and for attributes in double quotes. Bytes that are not UTF-8, and control characters other than tabs and
/// line ends, become U+FFFD.
[[nodiscard]] std::string escape(std::string_view text);

struct attribute {
    std::string_view name;
    std::string value;  ///< not escaped yet
};

/// <name a="..">content</name>; the content is markup. <name a=".."/> for elements that never have content.
[[nodiscard]] std::string element(std::string_view name, std::initializer_list<attribute> attributes,
                                  std::string_view content = {});

/// "1.25": that many digits after the point; a true minus sign.
[[nodiscard]] std::string fixed_digits(double value, int digits);
/// "12.5 %"
[[nodiscard]] std::string percentage(double share, int digits = 1);
/// "12,345"
[[nodiscard]] std::string grouped(std::size_t number);

}  // namespace cli

#endif
