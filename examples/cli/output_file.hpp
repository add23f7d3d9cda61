// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_OUTPUT_FILE_HPP
#define EARLYOUT_EXAMPLES_CLI_OUTPUT_FILE_HPP

#include <earlyout/io/file_writer.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace cli {

/// A file that an option may name: an empty path is no file. See file_writer.
class output_file {
public:
    /// @throws earlyout::error (io)
    explicit output_file(const std::string& path) {
        if (!path.empty()) file_.emplace(path);
    }

    [[nodiscard]] bool wanted() const noexcept { return file_.has_value(); }
    /// Writes the whole of it.
    /// @throws earlyout::error (io)
    void write(std::string_view text) {
        file_->write(text);
        file_->finish();
    }

private:
    std::optional<earlyout::io::file_writer> file_;
};

}  // namespace cli

#endif
