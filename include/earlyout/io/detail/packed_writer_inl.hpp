// SPDX-License-Identifier: MIT
// What packed_writer.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_PACKED_WRITER_INL_HPP
#define EARLYOUT_IO_DETAIL_PACKED_WRITER_INL_HPP

#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/detail/packed_names.hpp>
#include <earlyout/io/detail/vocabulary_files.hpp>
#include <earlyout/io/gguf_checkpoint.hpp>
#include <earlyout/io/gguf_text.hpp>
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/hugging_face_text.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/packed_checkpoint.hpp>
#include <earlyout/io/packed_writer.hpp>
#include <earlyout/io/safetensors_writer.hpp>
#include <earlyout/weights/checkpoint.hpp>
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
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

namespace detail {

/// Returns the configuration values that a network read; the last read of a key counts.
/// @throws error (mismatch) when the checkpoint is not the network's
[[nodiscard]] inline json values_read(const checkpoint& from, const checkpoint_record& read) {
    json made = json::object();
    const auto held = [&](const std::string& name, const auto& value) {
        if (!value) {
            fail(errc::mismatch, from.source(), ": expected the checkpoint of the network, found no value of '", name,
                 "'");
        }
        made[name] = *value;
    };
    for (const auto& [name, read_as] : read.entries()) {
        switch (read_as) {
            case checkpoint_record::kind::integer: held(name, from.integer(name)); break;
            case checkpoint_record::kind::real: held(name, from.real(name)); break;
            case checkpoint_record::kind::boolean: held(name, from.boolean(name)); break;
            case checkpoint_record::kind::text: held(name, from.text(name)); break;
            case checkpoint_record::kind::null: made[name] = nullptr; break;
            case checkpoint_record::kind::tensor: break;
        }
    }
    return made;
}

[[nodiscard]] inline json to_json(const model_text& text) {
    const generation_config& g = text.generation;
    json made{{"add_bos_token", g.add_bos}, {"eos_token_id", g.eos_token_ids}};
    if (g.bos_token_id) made["bos_token_id"] = *g.bos_token_id;
    if (g.chat_template) made["chat_template"] = *g.chat_template;
    if (text.tokenizer) made["tokens_before"] = text.tokenizer->tokens_before();
    return made;
}

}  // namespace detail

EARLYOUT_IO_INLINE std::size_t detail::write_packed(const std::filesystem::path& path, const stored_checkpoint& from,
                                                    const network_to_write& network) {
    if (from.is_packed()) {
        fail(errc::unsupported, from.source(), ": expected a Hugging Face folder or a GGUF file, found a packed file");
    }
    // What a program needs besides the network: how texts begin and end, and the tokenizer as stored.
    model_text text;
    std::optional<mapped_file> tokenizer_json;
    std::optional<std::string> made_tokenizer_json;
    std::string gguf_header;
    if (const auto* file = dynamic_cast<const gguf_checkpoint*>(&from)) {
        text = read_text(*file);
        gguf_header = file->contents().header_without_tensors();
    } else if (const auto* folder = dynamic_cast<const hugging_face_checkpoint*>(&from)) {
        text = read_text(*folder);
        if (const auto beside = folder->folder() / "tokenizer.json"; detail::exists(beside)) {
            tokenizer_json.emplace(beside);
        } else {
            made_tokenizer_json = detail::vocabulary_files::tokenizer_json(folder->folder());
        }
    }

    std::vector<tensor_to_write> tensors;
    const auto add_bytes = [&](std::string name, std::span<const std::byte> bytes) {
        tensors.emplace_back(std::move(name), "U8", std::vector<std::size_t>{bytes.size()}, bytes);
    };
    detail::json sizes = detail::json::object();
    for (const auto& [name, matrix] : network.matrices) {
        sizes[name] = {matrix.format, matrix.out, matrix.in};
        add_bytes("packed:" + name, {matrix.memory.get(), matrix.bytes});  // multiples of 64 bytes
    }
    detail::json shapes = detail::json::object();
    std::set<std::string> tensors_read;
    for (const auto& [name, read_as] : network.read.entries()) {
        if (read_as == checkpoint_record::kind::tensor) tensors_read.insert(name);
    }
    for (const std::string& name : tensors_read) {
        const tensor_view* const found = from.find(name);
        if (found == nullptr) {
            fail(errc::mismatch, from.source(), ": expected the checkpoint of the network, found none of its tensors '",
                 name, "'");
        }
        const tensor_view& view = *found;
        shapes[name] = {to_string(view.type), view.shape};
        // A token embedding that is also the output matrix is already stored in it.
        if (network.in_matrices.contains(name)) continue;
        if (block_elements(view.type) == 1) {
            tensors.push_back(view);
        } else {
            add_bytes("blocks:" + name, view.bytes);
        }
    }
    if (tokenizer_json) add_bytes(detail::packed_tokenizer_json, tokenizer_json->bytes());
    if (made_tokenizer_json) {
        add_bytes(detail::packed_tokenizer_json, std::as_bytes(std::span(*made_tokenizer_json)));
    }
    if (!gguf_header.empty()) add_bytes(detail::packed_tokenizer_gguf, std::as_bytes(std::span(gguf_header)));
    return write_safetensors(path, tensors,
                             {{"format", detail::packed_format},
                              {"version", detail::packed_version},
                              {"config", detail::values_read(from, network.read).dump()},
                              {"tensors", shapes.dump()},
                              {"matrices", sizes.dump()},
                              {"generation", detail::to_json(text).dump()},
                              {"fingerprint", from.fingerprint()},
                              {"lossless_format", from.lossless_format()}});
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
