// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_FIT_FOLDER_HPP
#define EARLYOUT_EXAMPLES_CLI_FIT_FOLDER_HPP

#include <earlyout/calibrate/kept_results.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cli {

/// A folder with what a fit has finished, a file for each result, and the settings it was begun with.
class fit_folder final : public earlyout::calibrate::kept_results {
public:
    /// Makes the folder, or goes on with one of the same settings.
    /// @param writes false: another process makes it, and this one adds to it
    /// @throws earlyout::error (io), (mismatch) naming the setting that differs
    fit_folder(const std::filesystem::path& folder, const nlohmann::ordered_json& settings, bool writes);

    [[nodiscard]] std::optional<std::vector<std::byte>> find(const std::string& name) override;
    void keep(const std::string& name, std::span<const std::byte> bytes) override;

    /// Returns the number of results that were there at the beginning.
    [[nodiscard]] std::size_t found() const noexcept { return found_; }
    /// Removes what was kept, and the folder if nothing else is in it.
    void remove();

private:
    [[nodiscard]] std::filesystem::path file_of(const std::string& name) const;

    std::filesystem::path folder_;
    std::size_t found_ = 0;
};

}  // namespace cli

#endif
