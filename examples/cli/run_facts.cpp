// SPDX-License-Identifier: MIT
#include "run_facts.hpp"

#include <earlyout/core/config.hpp>
#include <earlyout/core/processor_name.hpp>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace cli {

namespace {

/// One word of a command, in quotes where a shell needs them.
std::string in_quotes(const std::string& word) {
    constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./=,:@%+";
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
    std::string made = "'";
    for (const char c : word) made += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return made + "'";
}

}  // namespace

std::string command_as_typed() {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    const std::string words(std::istreambuf_iterator<char>(file), {});
    std::string line;
    for (std::size_t at = 0; at < words.size();) {
        const std::size_t end = std::min(words.find('\0', at), words.size());
        std::string word = words.substr(at, end - at);
        if (at == 0) word.erase(0, word.rfind('/') + 1);  // npos + 1 is 0
        line += (line.empty() ? "" : " ") + in_quotes(word);
        at = end + 1;
    }
    return line;
}

std::string today() {
    const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm parts{};
    char text[16];
    if (gmtime_r(&now, &parts) == nullptr || std::strftime(text, sizeof text, "%Y-%m-%d", &parts) == 0) return {};
    return text;
}

std::string machine_name() {
    const std::string processor = earlyout::processor_name();
    return processor + (processor.empty() ? "" : ", ") + "compiled for " + earlyout::instruction_set;
}

}  // namespace cli
