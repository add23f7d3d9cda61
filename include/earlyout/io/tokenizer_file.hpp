// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_TOKENIZER_FILE_HPP
#define EARLYOUT_IO_TOKENIZER_FILE_HPP

#include <earlyout/text/tokenizer.hpp>

#include <filesystem>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Reads a `tokenizer.json`.
/// @throws error as text::tokenizer::from_json, and (no_such_file) when the file cannot be read
[[nodiscard]] text::tokenizer load_tokenizer(const std::filesystem::path& path);

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/tokenizer_file_inl.hpp>
#endif

#endif
