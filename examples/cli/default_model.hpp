// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_DEFAULT_MODEL_HPP
#define EARLYOUT_EXAMPLES_CLI_DEFAULT_MODEL_HPP

#include <filesystem>
#include <string>
#include <system_error>

namespace cli {

/// Returns the folder of the bundled model: beside the executable, where both were installed, in the source tree that
/// the executable was built in, wherever that is now, or where that was when it was built. Empty: in none of them.
[[nodiscard]] inline std::string default_model(const std::filesystem::path& executable,
                                               const std::filesystem::path& when_built) {
    const auto is_model = [](const std::filesystem::path& folder) {
        std::error_code ignored;
        return std::filesystem::exists(folder / "config.json", ignored);
    };
    std::filesystem::path folder = executable.parent_path();
    if (is_model(folder / "model")) return (folder / "model").string();
    const std::filesystem::path installed = folder.parent_path() / "share" / "earlyout" / "model";
    if (is_model(installed)) return installed.string();
    for (; folder.has_relative_path(); folder = folder.parent_path()) {
        if (is_model(folder / "examples" / "model")) return (folder / "examples" / "model").string();
    }
    return is_model(when_built) ? when_built.string() : std::string();
}

}  // namespace cli

#endif
