// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_PACKED_HPP
#define EARLYOUT_IO_PACKED_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/load_from.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/load_options.hpp>
#include <earlyout/io/model_text.hpp>
#include <earlyout/io/packed_checkpoint.hpp>
#include <earlyout/io/pretrained.hpp>

#include <filesystem>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Reads the tokenizer inside a packed file.
/// @throws error as packed_checkpoint::tokenizer
[[nodiscard]] model_text read_text(const packed_checkpoint& from);

/// Loads a packed file: weights and configuration and, if present, tokenizer, generation defaults and fitted exits.
/// load() has the parameters.
/// @throws error; the message names the file, the item, what was expected and what was found
template <class Network>
[[nodiscard]] pretrained<Network> load_packed(const std::filesystem::path& file, typename Network::format format,
                                              typename Network::format output_format,
                                              const load_options& options = {}) try {
    detail::refuse_missing_model(file);
    packed_checkpoint from(file, options.access);
    return detail::load_from<Network>(from, read_text(from), format, output_format, options);
} catch (...) {
    earlyout::detail::rethrow_as_error(platform::path_text(file));
}
template <class Network>
[[nodiscard]] pretrained<Network> load_packed(const std::filesystem::path& file, typename Network::format format = {}) {
    return load_packed<Network>(file, format, format);
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/packed_inl.hpp>
#endif

#endif
