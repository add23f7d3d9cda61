// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_LOAD_HPP
#define EARLYOUT_IO_LOAD_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/gguf.hpp>
#include <earlyout/io/hugging_face.hpp>
#include <earlyout/io/load_options.hpp>
#include <earlyout/io/packed.hpp>
#include <earlyout/io/pretrained.hpp>
#include <earlyout/io/stored_checkpoint.hpp>

#include <filesystem>
#include <memory>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Opens a model's checkpoint: a GGUF file, a packed file, or a Hugging Face folder.
/// @throws error (no_such_file, malformed_file, unsupported, out_of_memory)
[[nodiscard]] std::unique_ptr<stored_checkpoint> open_checkpoint(const std::filesystem::path& model,
                                                                 file_access access = file_access::mapped);

/// Loads a Hugging Face folder, a GGUF file or a packed file: weights and configuration and, if present, tokenizer,
/// generation defaults and fitted exits.
/// @tparam Network an architecture, such as gpt2<> or gpt2<bf16>
/// @param format   of the weights, if the network chooses it at run time: any_format("int8")
/// @param output_format of the output matrix, if different
/// @param options how: threads, progress, the file of exits, whether files are mapped
/// @throws error; the message names the file, the item, what was expected and what was found
template <class Network>
[[nodiscard]] pretrained<Network> load(const std::filesystem::path& model, typename Network::format format,
                                       typename Network::format output_format, const load_options& options = {}) {
    if (!detail::is_file(model)) {
        return load_hugging_face<Network>(model, format, output_format, options);
    }
    bool packed = false;
    earlyout::detail::only_errors(platform::path_text(model), [&] { packed = is_packed_file(model); });
    return packed ? load_packed<Network>(model, format, output_format, options)
                  : load_gguf<Network>(model, format, output_format, options);
}
template <class Network>
[[nodiscard]] pretrained<Network> load(const std::filesystem::path& model, typename Network::format format = {}) {
    return load<Network>(model, format, format);
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/load_inl.hpp>
#endif

#endif
