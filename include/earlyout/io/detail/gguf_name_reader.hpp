// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_GGUF_NAME_READER_HPP
#define EARLYOUT_IO_DETAIL_GGUF_NAME_READER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/byte_reader.hpp>

#include <cstdint>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io { namespace detail {

/// Reads a name: a length in 8 bytes and as many characters.
template <class What>
[[nodiscard]] std::string_view read_gguf_name(byte_reader& reader, std::string_view source, std::uint64_t longest,
                                              const What& what) {
    const auto size = reader.number<std::uint64_t>(what);
    if (size > longest) {
        fail(errc::malformed_file, source, ": ", what(), ": expected a name of at most ", longest, " bytes, found ",
             size);
    }
    return reader.text(size, what);
}

}  // namespace detail

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
