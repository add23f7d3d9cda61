// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_OUTPUT_FILE_HPP
#define EARLYOUT_EXAMPLES_CLI_OUTPUT_FILE_HPP

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace cli {

/// A file that is there whole or not at all: written beside its place as PATH.part and then renamed. Pipes and devices
/// are written directly.
class output_file {
public:
    /// Opens it, so that a path that cannot be written is refused before the work that fills it; an empty path is no
    /// file.
    /// @throws earlyout::error (io)
    explicit output_file(std::string path);
    /// Removes what was not finished.
    ~output_file();
    output_file(const output_file&) = delete;
    output_file& operator=(const output_file&) = delete;

    [[nodiscard]] bool wanted() const noexcept { return !path_.empty(); }
    /// @throws earlyout::error (io)
    void write(std::string_view text);

private:
    std::string path_;
    std::filesystem::path part_;  ///< empty: written directly, or done
    std::ofstream file_;
};

}  // namespace cli

#endif
