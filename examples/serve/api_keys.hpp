// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_API_KEYS_HPP
#define EARLYOUT_EXAMPLES_SERVE_API_KEYS_HPP

#include <string>
#include <vector>

namespace serve {

/// Reads a file of API keys: one in each line, without blanks; lines that begin with # and empty ones are skipped.
/// @throws earlyout::error (no_such_file) when it cannot be read, (malformed_file) when it holds no key, or a line with
///         a blank or a control character in it. A message names the line, never its text.
[[nodiscard]] std::vector<std::string> read_api_keys(const std::string& path);

}  // namespace serve

#endif
