// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_PROCESSOR_NAME_HPP
#define EARLYOUT_CORE_PROCESSOR_NAME_HPP

#include <earlyout/core/config.hpp>
#include <earlyout/core/machine.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// Returns what follows a key and its colon in the first line that starts with the key; empty where there is none.
[[nodiscard]] inline std::string_view line_after(std::string_view text, std::string_view key) {
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::string_view line = text.substr(begin, end - begin);
        begin = end + 1;
        const std::size_t colon = line.find(':');
        if (!line.starts_with(key) || colon == line.npos) continue;
        if (line.substr(key.size(), colon - key.size()).find_first_not_of(" \t") != line.npos) continue;
        const std::size_t value = line.find_first_not_of(" \t", colon + 1);
        return value == line.npos ? std::string_view() : line.substr(value);
    }
    return {};
}

/// Returns the name of a processor from the text of /proc/cpuinfo. Virtual machines share a model name ("AMD EPYC"), so
/// family and model are part of it; Arm has an implementer and a part in their place.
[[nodiscard]] inline std::string processor_of(std::string_view cpuinfo) {
    std::string name(line_after(cpuinfo, "model name"));
    const auto add = [&](const char* key, const char* called) {
        const std::string_view value = line_after(cpuinfo, key);
        if (!value.empty()) name += (name.empty() ? "" : ", ") + (called + std::string(value));
    };
    add("cpu family", "family ");
    add("model", "model ");
    add("CPU implementer", "implementer ");
    add("CPU part", "part ");
    return name;
}

}  // namespace detail

/// Returns the name of this machine's processor, such as "AMD EPYC, family 25, model 17"; empty where the system does
/// not say.
[[nodiscard]] inline std::string processor_name() { return detail::processor_of(detail::text_of("/proc/cpuinfo")); }

}}  // namespace earlyout::EARLYOUT_ABI

#endif
