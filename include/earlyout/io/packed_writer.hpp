// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_PACKED_WRITER_HPP
#define EARLYOUT_IO_PACKED_WRITER_HPP

#include <earlyout/io/load.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/packed_checkpoint.hpp>
#include <earlyout/io/safetensors_writer.hpp>
#include <earlyout/weights/flat_config.hpp>
#include <earlyout/weights/packed_weights.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {
namespace detail {

[[nodiscard]] inline json to_json(const flat_config& config) {
    json made = json::object();
    for (const auto& [key, value] : config.values()) std::visit([&](const auto& held) { made[key] = held; }, value);
    return made;
}

[[nodiscard]] inline json to_json(const model_text& text) {
    const generation_config& g = text.generation;
    json made{{"add_bos_token", g.add_bos}, {"eos_token_id", g.eos_token_ids}};
    if (g.bos_token_id) made["bos_token_id"] = *g.bos_token_id;
    if (text.tokenizer) made["tokens_before"] = text.tokenizer->tokens_before();
    return made;
}

}  // namespace detail

/// Writes a network as one packed file: its matrices as it holds them, with what else it read of its checkpoint. A file
/// of that name is replaced as a whole, or, when something fails, left as it was; links are followed, pipes and devices
/// written to.
/// @param from the checkpoint that the network was read from: a Hugging Face folder or a GGUF file
/// @return bytes written
/// @throws error as read_text(), (unsupported) for a packed file, and (io) when the file cannot be written
template <class Network>
std::size_t write_packed(const std::filesystem::path& path, const stored_checkpoint& from, const Network& network) {
    if (from.is_packed()) {
        fail(errc::unsupported, from.source(), ": expected a Hugging Face folder or a GGUF file, found a packed file");
    }
    // What a program needs beside the network: how texts begin and end, and the tokenizer as it is stored.
    model_text text;
    std::optional<mapped_file> tokenizer_json;
    std::string gguf_header;
    if (const auto* file = dynamic_cast<const gguf_checkpoint*>(&from)) {
        text = read_text(*file);
        gguf_header = file->contents().header_without_tensors();
    } else if (const auto* folder = dynamic_cast<const hugging_face_checkpoint*>(&from)) {
        text = read_text(*folder);
        if (const auto beside = folder->folder() / "tokenizer.json"; detail::exists(beside)) {
            tokenizer_json.emplace(beside);
        }
    }

    std::map<std::string, packed_weights> matrices;  // by the tensor that their rows begin with
    std::set<std::string, std::less<>> in_matrices;
    network.visit_matrices([&](std::span<const std::string> names, const packed_weights& matrix) {
        if (names.empty()) {
            fail(errc::invalid_argument, from.source(), ": expected a network that was read from it, found a matrix ",
                 "that was filled otherwise");
        }
        matrices.emplace(names.front(), matrix);
        in_matrices.insert(names.begin(), names.end());
    });

    std::vector<tensor_to_write> tensors;
    const auto add_bytes = [&](std::string name, std::span<const std::byte> bytes) {
        tensors.push_back({std::move(name), "U8", {bytes.size()}, bytes});
    };
    detail::json sizes = detail::json::object();
    for (const auto& [name, matrix] : matrices) {
        sizes[name] = {matrix.format, matrix.out, matrix.in};
        add_bytes("packed:" + name, {matrix.memory.get(), matrix.bytes});  // whole 64 bytes: all of them are aligned
    }
    detail::json shapes = detail::json::object();
    for (const std::string& name : network.read_from().tensors) {
        const tensor_view* const found = from.find(name);
        if (found == nullptr) {
            fail(errc::mismatch, from.source(), ": expected the checkpoint of the network, found none of its tensors '",
                 name, "'");
        }
        const tensor_view& view = *found;
        shapes[name] = {to_string(view.type), view.shape};
        // A table of tokens that is the output matrix too is in it.
        if (in_matrices.contains(name)) continue;
        if (block_elements(view.type) == 1) {
            tensors.push_back(view);
        } else {
            add_bytes("blocks:" + name, view.bytes);
        }
    }
    if (tokenizer_json) add_bytes(detail::packed_tokenizer_json, tokenizer_json->bytes());
    if (!gguf_header.empty()) add_bytes(detail::packed_tokenizer_gguf, std::as_bytes(std::span(gguf_header)));
    return write_safetensors(path, tensors,
                             {{"format", detail::packed_format},
                              {"version", detail::packed_version},
                              {"config", detail::to_json(network.read_from().config).dump()},
                              {"tensors", shapes.dump()},
                              {"matrices", sizes.dump()},
                              {"generation", detail::to_json(text).dump()},
                              {"fingerprint", from.fingerprint()},
                              {"lossless_format", from.lossless_format()}});
}

/// Reads a model and writes it as one packed file, its matrices in the formats given.
/// @tparam Network an architecture, or any_model
/// @param model a Hugging Face folder or a GGUF file
/// @return bytes written
/// @throws error as load(), and as write_packed() of a network
template <class Network>
std::size_t write_packed(const std::filesystem::path& path, const std::filesystem::path& model,
                         typename Network::format format, typename Network::format output_format) try {
    const std::unique_ptr<stored_checkpoint> from = open_checkpoint(model);
    if (from->is_packed()) {
        fail(errc::unsupported, from->source(), ": expected a Hugging Face folder or a GGUF file, found a packed file");
    }
    return write_packed(path, *from, Network::from_checkpoint(*from, format, output_format));
} catch (...) {
    earlyout::detail::rethrow_as_error(model.native());
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
