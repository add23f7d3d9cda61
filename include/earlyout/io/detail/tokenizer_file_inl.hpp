// SPDX-License-Identifier: MIT
// What tokenizer_file.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_TOKENIZER_FILE_INL_HPP
#define EARLYOUT_IO_DETAIL_TOKENIZER_FILE_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/tokenizer_file.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <filesystem>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

EARLYOUT_IO_INLINE text::tokenizer load_tokenizer(const std::filesystem::path& path) {
    return earlyout::detail::only_errors(platform::path_text(path), [&] {
        const mapped_file file(path);
        return text::tokenizer::from_json(file.text(), file.path());
    });
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
