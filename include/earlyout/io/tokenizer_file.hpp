// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_TOKENIZER_FILE_HPP
#define EARLYOUT_IO_TOKENIZER_FILE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <filesystem>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Reads a `tokenizer.json`.
/// @throws error as text::tokenizer::from_json, and (no_such_file) when the file cannot be read
[[nodiscard]] inline text::tokenizer load_tokenizer(const std::filesystem::path& path) {
    return earlyout::detail::only_errors(path.native(), [&] {
        const mapped_file file(path);
        return text::tokenizer::from_json(file.text(), file.path());
    });
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
