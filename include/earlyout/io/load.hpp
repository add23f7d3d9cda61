// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_LOAD_HPP
#define EARLYOUT_IO_LOAD_HPP

#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/gguf_checkpoint.hpp>
#include <earlyout/io/gguf_tokenizer.hpp>
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/model_text.hpp>
#include <earlyout/io/packed_checkpoint.hpp>
#include <earlyout/io/pretrained.hpp>
#include <earlyout/io/sidecar.hpp>
#include <earlyout/kernels/any_format.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// The smallest weight format without loss: see stored_checkpoint.
[[nodiscard]] inline any_format lossless_format(const stored_checkpoint& from) {
    return any_format(from.lossless_format());
}

/// The weight format that exits name which were fitted to this checkpoint in that one: a format without loss counts
/// as f32.
[[nodiscard]] inline std::string computed_format(const stored_checkpoint& from, std::string_view format) {
    return std::string(format == lossless_format(from).name() ? f32::name : format);
}

/// A model's checkpoint: a GGUF file, a packed file, or a Hugging Face folder.
/// @throws error (no_such_file, malformed_file, unsupported, out_of_memory)
[[nodiscard]] inline std::unique_ptr<stored_checkpoint> open_checkpoint(const std::filesystem::path& model,
                                                                        file_access access = file_access::mapped) {
    return earlyout::detail::only_errors(model.native(), [&]() -> std::unique_ptr<stored_checkpoint> {
        if (!detail::is_file(model)) return std::make_unique<hugging_face_checkpoint>(model, access);
        if (is_packed_file(model)) return std::make_unique<packed_checkpoint>(model, access);
        detail::refuse_part_of_model(model);
        return std::make_unique<gguf_checkpoint>(model, access);
    });
}

namespace detail {

/// The network with what was found beside it.
template <class Network>
[[nodiscard]] pretrained<Network> load_from(const stored_checkpoint& from, model_text text,
                                            typename Network::format format, typename Network::format output_format,
                                            const std::filesystem::path& exits_file) {
    Network network = Network::from_checkpoint(from, format, output_format);
    const auto& shape = network.shape();
    std::optional<exit_weights> exits;
    bool exits_fit = false;
    const std::filesystem::path path = exits_file.empty() ? sidecar_path(from.path()) : exits_file;
    if (!exits_file.empty() || detail::exists(path)) {
        exits = read_exits(path);
        const std::string computed = computed_format(from, network.weight_format());
        require_match(*exits, {shape.layers, shape.d_model, shape.vocab, from.fingerprint(), computed});
        exits_fit = fitted_with(*exits, computed);
    }
    return {from.source(),    std::move(network), std::move(text.tokenizer), std::move(text.generation),
            std::move(exits), exits_fit};
}

}  // namespace detail

/// Loads a Hugging Face folder, a GGUF file or a packed file: weights and configuration, and where they are there,
/// tokenizer, generation defaults and fitted exits.
/// @tparam Network an architecture, such as gpt2<> or gpt2<bf16>
/// @param format   of the weights, where the network leaves that to the run time: any_format("int8")
/// @param output_format of the output matrix, where it is to differ
/// @param exits_file fitted exits to take in place of the model's; empty: the model's, where there are any
/// @param access   mapped: a packed file's matrices are used in place, and it must not be overwritten while the model
///                 lives (replacing it by rename is safe); copied: they are read into memory
/// @throws error; the message names file, thing, what was expected and what was found
template <class Network>
[[nodiscard]] pretrained<Network> load(const std::filesystem::path& model, typename Network::format format,
                                       typename Network::format output_format,
                                       const std::filesystem::path& exits_file = {},
                                       file_access access = file_access::mapped) try {
    const auto from_file = [&](const auto& from) {
        return detail::load_from<Network>(from, read_text(from), format, output_format, exits_file);
    };
    if (is_packed_file(model)) return from_file(packed_checkpoint(model, access));
    if (detail::is_file(model)) {
        detail::refuse_part_of_model(model);
        return from_file(gguf_checkpoint(model, access));
    }
    return from_file(hugging_face_checkpoint(model, access));
} catch (...) {
    earlyout::detail::rethrow_as_error(model.native());
}
template <class Network>
[[nodiscard]] pretrained<Network> load(const std::filesystem::path& model, typename Network::format format = {}) {
    return load<Network>(model, format, format);
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
