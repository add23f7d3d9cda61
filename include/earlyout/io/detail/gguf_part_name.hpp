// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_GGUF_PART_NAME_HPP
#define EARLYOUT_IO_DETAIL_GGUF_PART_NAME_HPP

#include <earlyout/core/config.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

/// The name of one file of a GGUF model in several, as llama-gguf-split writes them: NAME-00002-of-00003.gguf.
struct gguf_part_name {
    std::string stem;       ///< NAME
    std::size_t index = 0;  ///< 1 .. count
    std::size_t count = 0;

    /// Reads a file name; nothing for any other.
    [[nodiscard]] static std::optional<gguf_part_name> of(std::string_view name) {
        static constexpr std::string_view pattern = "-00000-of-00000.gguf";
        if (name.size() <= pattern.size()) return std::nullopt;
        gguf_part_name made{std::string(name.substr(0, name.size() - pattern.size()))};
        const std::string_view end = name.substr(made.stem.size());
        for (std::size_t i = 0; i < pattern.size(); ++i) {
            if (pattern[i] != '0') {
                if (end[i] != pattern[i]) return std::nullopt;
                continue;
            }
            if (end[i] < '0' || end[i] > '9') return std::nullopt;
            std::size_t& number = i < 6 ? made.index : made.count;
            number = 10 * number + static_cast<std::size_t>(end[i] - '0');
        }
        if (made.index == 0 || made.index > made.count) return std::nullopt;
        return made;
    }
    /// Returns a number as it is spelled in these names.
    [[nodiscard]] static std::string digits(std::size_t number) {
        const std::string text = std::to_string(number);
        return text.size() >= 5 ? text : std::string(5 - text.size(), '0') + text;
    }
    /// Returns the name of part number `part`, from 1.
    [[nodiscard]] std::string number(std::size_t part) const {
        return stem + "-" + digits(part) + "-of-" + digits(count) + ".gguf";
    }
};

/// Returns the path of the first part, given that of any; any other path unchanged.
[[nodiscard]] inline std::filesystem::path first_gguf_part(const std::filesystem::path& path) {
    const auto name = gguf_part_name::of(path.filename().string());
    return name ? path.parent_path() / name->number(1) : path;
}

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
