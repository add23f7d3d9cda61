// SPDX-License-Identifier: MIT
// What packed_checkpoint.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_PACKED_CHECKPOINT_INL_HPP
#define EARLYOUT_IO_DETAIL_PACKED_CHECKPOINT_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/detail/packed_names.hpp>
#include <earlyout/io/detail/token_ids.hpp>
#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/gguf_file.hpp>
#include <earlyout/io/gguf_tokenizer.hpp>
#include <earlyout/io/json_config.hpp>
#include <earlyout/io/packed_checkpoint.hpp>
#include <earlyout/io/safetensors.hpp>
#include <earlyout/io/stored_checkpoint.hpp>
#include <earlyout/text/tokenizer.hpp>
#include <earlyout/weights/packed_weights.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

EARLYOUT_IO_INLINE bool is_packed_file(const std::filesystem::path& path) {
    if (!detail::is_file(path)) return false;
    const std::string begin = detail::first_bytes(path);
    return begin.size() > 8 && !begin.starts_with("GGUF") && begin[8] == '{';
}

EARLYOUT_IO_INLINE packed_checkpoint::packed_checkpoint(const std::filesystem::path& path, file_access access) try
    : path_(path), file_(std::make_shared<const safetensors_file>(path_, access)) {
    check_format();
    if (const std::string& version = text_of("version"); version != detail::packed_version) {
        fail(errc::unsupported, path_.string(), ": expected version ", detail::packed_version, " of ",
             detail::packed_format, ", found '", detail::short_reason(version), "'");
    }
    config_ = json_config(object_of("config"), path_.string() + ": config");
    read_tensors();
    read_matrices();
    read_generation();
} catch (...) {
    earlyout::detail::rethrow_as_error(platform::path_text(path));
}

EARLYOUT_IO_INLINE const tensor_view* packed_checkpoint::find(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second;
}

EARLYOUT_IO_INLINE void packed_checkpoint::for_each_tensor(function_ref<void(const tensor_view&)> visit) const {
    for (const auto& [name, view] : tensors_) visit(view);
}

EARLYOUT_IO_INLINE packed_weights packed_checkpoint::packed(std::string_view name) const {
    const auto found = matrices_.find(name);
    return found == matrices_.end() ? checkpoint::packed(name) : found->second;
}

EARLYOUT_IO_INLINE std::string packed_checkpoint::fingerprint() const { return text_of("fingerprint"); }

EARLYOUT_IO_INLINE std::string packed_checkpoint::lossless_format() const { return text_of("lossless_format"); }

EARLYOUT_IO_INLINE std::optional<text::tokenizer> packed_checkpoint::tokenizer() const {
    std::optional<text::tokenizer> made;
    if (const auto json = file_->contents().bytes(detail::packed_tokenizer_json)) {
        made = text::tokenizer::from_json({reinterpret_cast<const char*>(json->data()), json->size()},
                                          path_.string() + ": " + detail::packed_tokenizer_json);
    } else if (const auto header = file_->contents().bytes(detail::packed_tokenizer_gguf)) {
        made = read_tokenizer(gguf(*header, path_.string() + ": " + detail::packed_tokenizer_gguf), generation_);
    }
    if (made && before_) made = made->with_tokens_before(*before_);
    return made;
}

EARLYOUT_IO_INLINE void packed_checkpoint::check_format() const {
    const auto& metadata = file_->contents().metadata();
    const auto format = metadata.find("format");
    if (format != metadata.end() && format->second == detail::packed_format) return;
    const bool exits = format != metadata.end() && format->second == "earlyout-exits";
    fail(errc::unsupported, path_.string(), ": expected a file in the format ", detail::packed_format, ", found ",
         exits ? "exits, which are used with the model that they were fitted to"
               : "a safetensors file of weights: give the folder that holds it");
}

EARLYOUT_IO_INLINE const std::string& packed_checkpoint::text_of(std::string_view key) const {
    const auto found = file_->contents().metadata().find(key);
    if (found == file_->contents().metadata().end()) {
        fail(errc::malformed_file, path_.string(), ": '__metadata__': '", key, "' is missing");
    }
    return found->second;
}

EARLYOUT_IO_INLINE text::json_object packed_checkpoint::object_of(std::string_view key) const {
    const std::string where = path_.string() + ": '__metadata__': " + std::string(key);
    detail::json parsed = detail::parse_json(text_of(key), where);
    if (!parsed.is_object()) fail(errc::malformed_file, where, ": expected an object");
    return parsed;
}

EARLYOUT_IO_INLINE void packed_checkpoint::refuse(const std::string& name, std::string_view expected) const {
    fail(errc::malformed_file, path_.string(), ": tensor '", detail::short_reason(name), "': expected ", expected);
}

EARLYOUT_IO_INLINE std::optional<dtype> packed_checkpoint::find_type(std::string_view name) {
    for (const dtype_facts& facts : all_dtypes) {
        if (name == facts.name) return facts.type;
    }
    return std::nullopt;
}

EARLYOUT_IO_INLINE void packed_checkpoint::read_tensors() {
    const detail::json entries = object_of("tensors").value;
    for (const auto& [name, entry] : entries.items()) {
        const bool well_formed = entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_array() &&
                                 std::ranges::all_of(entry[1], [](const auto& e) { return e.is_number_unsigned(); });
        const auto type = well_formed ? find_type(entry[0].template get<std::string>()) : std::nullopt;
        if (!type) refuse(name, "its element type and shape");
        tensor_view view{name, *type, entry[1].template get<std::vector<std::size_t>>(), {}};
        const auto bytes = stored_bytes(name);
        const std::size_t expected = bytes_of_shape(view, path_.string());
        // Checked before allocation: tensors without bytes are in matrices, at most two elements in a byte.
        const bool fits =
            bytes ? bytes->size() == expected : view.element_count() <= file_->contents().data_bytes() * 2;
        if (!fits) refuse(name, "the bytes of its shape");
        if (bytes) view.bytes = *bytes;
        tensors_.emplace(name, std::move(view));
    }
}

EARLYOUT_IO_INLINE std::optional<std::span<const std::byte>> packed_checkpoint::stored_bytes(
    const std::string& name) const {
    if (const auto plain = file_->contents().tensors().find(name); plain != file_->contents().tensors().end()) {
        return plain->second.bytes;
    }
    return file_->contents().bytes("blocks:" + name);
}

EARLYOUT_IO_INLINE void packed_checkpoint::read_matrices() {
    const detail::json entries = object_of("matrices").value;
    for (const auto& [name, entry] : entries.items()) {
        const bool well_formed = entry.is_array() && entry.size() == 3 && entry[0].is_string() &&
                                 entry[1].is_number_unsigned() && entry[2].is_number_unsigned();
        const auto bytes = file_->contents().bytes("packed:" + name);
        if (!well_formed || !bytes) refuse(name, "a packed matrix with its format and sizes");
        matrices_.emplace(name,
                          packed_weights{entry[0].template get<std::string>(), entry[1].template get<std::size_t>(),
                                         entry[2].template get<std::size_t>(),
                                         std::shared_ptr<const std::byte>(file_, bytes->data()), bytes->size()});
    }
}

EARLYOUT_IO_INLINE void packed_checkpoint::read_generation() {
    const detail::json given = object_of("generation").value;
    const std::string where = path_.string() + ": '__metadata__': generation";
    const auto ids = [&](const char* key) { return detail::token_ids(given, key, where); };
    generation_.eos_token_ids = ids("eos_token_id");
    if (const auto bos = ids("bos_token_id"); !bos.empty()) generation_.bos_token_id = bos.front();
    generation_.add_bos = json_config(given, where).boolean("add_bos_token").value_or(false);
    if (const auto chat = json_config(given, where).text("chat_template")) generation_.chat_template = *chat;
    if (given.contains("tokens_before")) before_ = ids("tokens_before");
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
