// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_HUGGING_FACE_HPP
#define EARLYOUT_IO_HUGGING_FACE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/load_from.hpp>
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/hugging_face_text.hpp>
#include <earlyout/io/load_options.hpp>
#include <earlyout/io/pretrained.hpp>

#include <filesystem>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Loads a Hugging Face folder: weights and configuration and, if present, tokenizer, generation defaults and fitted
/// exits. load() has the parameters.
/// @throws error; the message names the file, the item, what was expected and what was found
template <class Network>
[[nodiscard]] pretrained<Network> load_hugging_face(const std::filesystem::path& folder,
                                                    typename Network::format format,
                                                    typename Network::format output_format,
                                                    const load_options& options = {}) try {
    hugging_face_checkpoint from(folder, options.access);
    return detail::load_from<Network>(from, read_text(from), format, output_format, options);
} catch (...) {
    earlyout::detail::rethrow_as_error(platform::path_text(folder));
}
template <class Network>
[[nodiscard]] pretrained<Network> load_hugging_face(const std::filesystem::path& folder,
                                                    typename Network::format format = {}) {
    return load_hugging_face<Network>(folder, format, format);
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
