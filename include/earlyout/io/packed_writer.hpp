// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_PACKED_WRITER_HPP
#define EARLYOUT_IO_PACKED_WRITER_HPP

#include <earlyout/io/load.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/packed_checkpoint.hpp>
#include <earlyout/io/safetensors_writer.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {
namespace detail {

/// Stands before a checkpoint and keeps what an architecture asks it for, and the matrices that it makes of it.
class packing_checkpoint final : public checkpoint {
public:
    explicit packing_checkpoint(const checkpoint& from) : from_(from) {}

    [[nodiscard]] std::string source() const override { return from_.source(); }
    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const override {
        return keep(key, from_.integer(key));
    }
    [[nodiscard]] std::optional<double> real(std::string_view key) const override { return keep(key, from_.real(key)); }
    [[nodiscard]] std::optional<bool> boolean(std::string_view key) const override {
        return keep(key, from_.boolean(key));
    }
    [[nodiscard]] std::optional<std::string> text(std::string_view key) const override {
        return keep(key, from_.text(key));
    }
    [[nodiscard]] bool is_null(std::string_view key) const override {
        const bool null = from_.is_null(key);
        if (null) config_[std::string(key)] = nullptr;
        return null;
    }
    /// They are kept where their values are.
    [[nodiscard]] std::optional<std::vector<std::string>> members(std::string_view key) const override {
        return from_.members(key);
    }
    [[nodiscard]] const tensor_view* find(std::string_view name) const override {
        const tensor_view* const found = from_.find(name);
        if (found != nullptr) asked_.emplace(name, found);
        return found;
    }
    void note_packed(std::string_view name, const packed_weights& matrix) const override {
        const auto [at, is_new] = matrices_.emplace(name, matrix);
        if (!is_new && matrix.memory != nullptr) at->second = matrix;
    }

    [[nodiscard]] const json& config() const noexcept { return config_; }
    /// The tensors that it was asked for.
    [[nodiscard]] const std::map<std::string, const tensor_view*>& tensors() const noexcept { return asked_; }
    /// By the tensor that their rows begin with; without memory under those of its other rows.
    [[nodiscard]] const std::map<std::string, packed_weights>& matrices() const noexcept { return matrices_; }

private:
    template <class T>
    std::optional<T> keep(std::string_view key, std::optional<T> value) const {
        if (value) config_[std::string(key)] = *value;
        return value;
    }

    const checkpoint& from_;
    mutable json config_ = json::object();
    mutable std::map<std::string, const tensor_view*> asked_;
    mutable std::map<std::string, packed_weights> matrices_;
};

[[nodiscard]] inline json to_json(const model_text& text) {
    const generation_config& g = text.generation;
    json made{{"add_bos_token", g.add_bos}, {"eos_token_id", g.eos_token_ids}};
    if (g.bos_token_id) made["bos_token_id"] = *g.bos_token_id;
    if (text.tokenizer) made["tokens_before"] = text.tokenizer->tokens_before();
    return made;
}

}  // namespace detail

/// Writes a model as one packed file, its matrices in the formats given. A file of that name is replaced as a whole,
/// or, when something fails, left as it was; links are followed, pipes and devices written to.
/// @tparam Network an architecture, or any_model
/// @param model a Hugging Face folder or a GGUF file
/// @return bytes written
/// @throws error as load(), and (io) when the file cannot be written
template <class Network>
std::size_t write_packed(const std::filesystem::path& path, const std::filesystem::path& model,
                         typename Network::format format, typename Network::format output_format) try {
    const std::unique_ptr<stored_checkpoint> from = open_checkpoint(model);
    if (from->is_packed()) {
        fail(errc::unsupported, from->source(), ": expected a Hugging Face folder or a GGUF file, found a packed file");
    }
    // What a program needs beside the network: how texts begin and end, and the tokenizer as it lies in its file.
    model_text text;
    std::optional<mapped_file> tokenizer_json;
    std::string gguf_header;
    if (const auto* file = dynamic_cast<const gguf_checkpoint*>(from.get())) {
        text = read_text(*file);
        gguf_header = file->contents().header_without_tensors();
    } else if (const auto* folder = dynamic_cast<const hugging_face_checkpoint*>(from.get())) {
        text = read_text(*folder);
        if (const auto beside = model / "tokenizer.json"; detail::exists(beside)) tokenizer_json.emplace(beside);
    }

    const detail::packing_checkpoint kept(*from);
    const Network network = Network::from_checkpoint(kept, format, output_format);

    std::vector<tensor_to_write> tensors;
    const auto add_bytes = [&](std::string name, std::span<const std::byte> bytes) {
        tensors.push_back({std::move(name), "U8", {bytes.size()}, bytes});
    };
    detail::json matrices = detail::json::object();
    for (const auto& [name, matrix] : kept.matrices()) {
        if (matrix.memory == nullptr) continue;
        matrices[name] = {matrix.format, matrix.out, matrix.in};
        add_bytes("packed:" + name, {matrix.memory.get(), matrix.bytes});  // whole 64 bytes: all of them are aligned
    }
    detail::json shapes = detail::json::object();
    for (const auto& [name, view] : kept.tensors()) {
        shapes[name] = {to_string(view->type), view->shape};
        // A table of tokens that is the output matrix too is in it.
        if (kept.matrices().contains(name)) continue;
        if (block_elements(view->type) == 1) {
            tensors.push_back(*view);
        } else {
            add_bytes("blocks:" + name, view->bytes);
        }
    }
    if (tokenizer_json) add_bytes(detail::packed_tokenizer_json, tokenizer_json->bytes());
    if (!gguf_header.empty()) add_bytes(detail::packed_tokenizer_gguf, std::as_bytes(std::span(gguf_header)));
    return write_safetensors(path, tensors,
                             {{"format", detail::packed_format},
                              {"version", detail::packed_version},
                              {"config", kept.config().dump()},
                              {"tensors", shapes.dump()},
                              {"matrices", matrices.dump()},
                              {"generation", detail::to_json(text).dump()},
                              {"fingerprint", from->fingerprint()},
                              {"lossless_format", from->lossless_format()}});
} catch (...) {
    earlyout::detail::rethrow_as_error(model.native());
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
