// SPDX-License-Identifier: MIT
#include "api_keys.hpp"

#include <earlyout/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>

namespace serve {

std::vector<std::string> read_api_keys(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        earlyout::fail(earlyout::errc::no_such_file, path, ": API keys: cannot be read: ", std::strerror(errno));
    }
    constexpr const char* blanks = " \t\r";
    std::vector<std::string> keys;
    std::size_t number = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        const auto first = line.find_first_not_of(blanks);
        if (first == std::string::npos || line[first] == '#') continue;
        std::string key = line.substr(first, line.find_last_not_of(blanks) + 1 - first);
        const bool is_sendable =
            std::ranges::all_of(key, [](char c) { return c > ' ' && c < '\x7f'; });  // in a header of HTTP
        if (!is_sendable) {
            earlyout::fail(earlyout::errc::malformed_file, path, ": line ", number,
                           ": expected one API key of printable ASCII, found a blank or another character in it");
        }
        keys.push_back(std::move(key));
    }
    // An empty list means that no key is needed: not what someone who names a file wants.
    if (file.bad() || keys.empty()) {
        earlyout::fail(earlyout::errc::malformed_file, path, ": expected at least one API key, found none");
    }
    return keys;
}

}  // namespace serve
