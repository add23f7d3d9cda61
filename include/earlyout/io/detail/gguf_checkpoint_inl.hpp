// SPDX-License-Identifier: MIT
// What gguf_checkpoint.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_GGUF_CHECKPOINT_INL_HPP
#define EARLYOUT_IO_DETAIL_GGUF_CHECKPOINT_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/expert_names.hpp>
#include <earlyout/io/detail/gguf_config_inl.hpp>
#include <earlyout/io/detail/gguf_names.hpp>
#include <earlyout/io/detail/gguf_part_name.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/gguf_checkpoint.hpp>
#include <earlyout/io/gguf_file.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/stored_checkpoint.hpp>
#include <earlyout/weights/flat_config.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

EARLYOUT_IO_INLINE gguf_checkpoint::gguf_checkpoint(const std::filesystem::path& path, file_access access)
    : gguf_checkpoint(mapped_file(detail::first_gguf_part(path), access), {}, detail::first_gguf_part(path), access) {}

EARLYOUT_IO_INLINE gguf_checkpoint::gguf_checkpoint(std::span<const std::byte> bytes, const std::string& source)
    : gguf_checkpoint(std::nullopt, bytes, source, file_access::mapped) {}

EARLYOUT_IO_INLINE const tensor_view* gguf_checkpoint::find(std::string_view name) const {
    const std::lock_guard lock(state_->guard);
    const auto known = state_->views.find(name);
    if (known != state_->views.end()) return &known->second;
    std::optional<tensor_view> found = placed(name);
    if (!found) return nullptr;
    tensor_view& view = *found;
    view.name = name;
    if (const std::size_t heads = turned_heads(name); heads != 0) {
        const std::span<const std::byte> bytes = view.bytes;
        view.bytes = state_->owned.emplace_back(turned_back(view, heads));
        discard(bytes);
    }
    return &state_->views.emplace(name, std::move(view)).first->second;
}

EARLYOUT_IO_INLINE std::optional<tensor_view> gguf_checkpoint::placed(std::string_view name) const {
    if (const auto place = places_.find(name); place != places_.end()) {
        tensor_view view = *stored(place->second);
        // The one row of a matrix at Hugging Face.
        if (of_->experts && name.ends_with(".shared_expert_gate.weight") && view.shape.size() == 1) {
            view.shape.insert(view.shape.begin(), 1);
        }
        return view;
    }
    if (!of_->experts) return std::nullopt;
    const auto expert = detail::find_stacked_expert(name);
    const auto place = expert ? places_.find(expert->name) : places_.end();
    if (place == places_.end()) return std::nullopt;
    return expert_of(*stored(place->second), expert->expert, name.ends_with(".bias") ? 2 : 3);
}

EARLYOUT_IO_INLINE std::optional<tensor_view> gguf_checkpoint::expert_of(const tensor_view& all, std::size_t expert,
                                                                         std::size_t extents) const {
    const auto count = contents().integer(key("expert_count")).value_or(0);
    if (all.shape.size() != extents || static_cast<std::int64_t>(all.shape.front()) != count) {
        fail(errc::wrong_shape, source(), ": tensor '", all.name, "': expected the ",
             extents == 2 ? "biases" : "matrices", " of ", count, " experts, as '", key("expert_count"),
             "' says, found shape ", shape_to_string(all.shape));
    }
    if (expert >= all.shape.front()) return std::nullopt;
    tensor_view one = all;
    one.shape.erase(one.shape.begin());
    const std::size_t bytes = all.bytes.size() / all.shape.front();
    one.bytes = all.bytes.subspan(expert * bytes, bytes);
    return one;
}

EARLYOUT_IO_INLINE void gguf_checkpoint::for_each_tensor(function_ref<void(const tensor_view&)> visit) const {
    if (parts_.empty()) {
        for (const auto& [name, view] : contents().tensors()) visit(view);
        return;
    }
    std::map<std::string_view, const tensor_view*> all;
    for_each_file([&](const gguf& file) {
        for (const auto& [name, view] : file.tensors()) all.emplace(name, &view);
    });
    for (const auto& [name, view] : all) visit(*view);
}

EARLYOUT_IO_INLINE const tensor_view* gguf_checkpoint::stored(std::string_view name) const {
    const tensor_view* found = contents().find(name);
    for (const part& p : parts_) found = found == nullptr ? p.contents.find(name) : found;
    return found;
}

EARLYOUT_IO_INLINE void gguf_checkpoint::discard(std::span<const std::byte> bytes) const noexcept {
    if (file_) file_->discard(bytes);
    for (const part& p : parts_) p.file.discard(bytes);
}

EARLYOUT_IO_INLINE void gguf_checkpoint::open_parts(file_access access) {
    const std::int64_t count = contents().integer("split.count").value_or(1);
    if (count <= 1) return;
    const auto name = file_ ? detail::gguf_part_name::of(path_.filename().string()) : std::nullopt;
    if (!name || static_cast<std::int64_t>(name->count) != count || contents().integer("split.no").value_or(0) != 0) {
        fail(errc::unsupported, source(), ": key 'split.count': expected files named NAME-00001-of-",
             detail::gguf_part_name::digits(static_cast<std::size_t>(count)), ".gguf and on for a model in ", count,
             " files, found part ", contents().integer("split.no").value_or(0) + 1, " under this name");
    }
    const std::filesystem::path folder = path_.parent_path();
    std::size_t missing = 0;
    std::filesystem::path first_missing;
    for (std::size_t number = 2; number <= name->count; ++number) {
        if (detail::exists(folder / name->number(number))) continue;
        if (missing++ == 0) first_missing = folder / name->number(number);
    }
    if (missing != 0) {
        fail(errc::no_such_file, first_missing.string(), ": no such file, though ", path_.filename().string(),
             " is part 1 of ", name->count, ": ", missing, missing == 1 ? " is missing" : " are missing");
    }
    std::uint64_t tensors = contents().tensors().size() + contents().others().size();
    parts_.reserve(name->count - 1);
    for (std::size_t number = 2; number <= name->count; ++number) {
        mapped_file file(folder / name->number(number), access);
        gguf own(file.bytes(), file.path());
        const std::int64_t no = own.integer("split.no").value_or(-1), of = own.integer("split.count").value_or(0);
        if (no + 1 != static_cast<std::int64_t>(number) || of != count) {
            fail(errc::mismatch, file.path(), ": key 'split.no': expected part ", number, " of ", count,
                 ", found part ", no + 1, " of ", of);
        }
        const auto refuse_twice = [&](const std::string& tensor) {
            if (!has(tensor)) return;
            fail(errc::malformed_file, file.path(), ": tensor '", tensor,
                 "': expected once, found in another part too");
        };
        for (const auto& [tensor, view] : own.tensors()) refuse_twice(tensor);
        for (const auto& [tensor, type] : own.others()) refuse_twice(tensor);
        tensors += own.tensors().size() + own.others().size();
        parts_.push_back({std::move(file), std::move(own)});
    }
    const auto expected = contents().integer("split.tensors.count");
    if (expected && *expected != static_cast<std::int64_t>(tensors)) {
        fail(errc::malformed_file, source(), ": key 'split.tensors.count': expected ", *expected,
             " tensors in all parts, found ", tensors);
    }
}

EARLYOUT_IO_INLINE gguf_checkpoint::gguf_checkpoint(std::optional<mapped_file> file, std::span<const std::byte> bytes,
                                                    const std::filesystem::path& path, file_access access) try
    : path_(path),
      file_(std::move(file)),
      contents_(file_ ? file_->bytes() : bytes, path_.string()),
      of_(&find_architecture()),
      config_(path_.string()),
      state_(std::make_unique<state>()) {
    open_parts(access);
    read_config();
    for_each_file([&](const gguf& one) {
        for (const auto& [name, view] : one.tensors()) place(name);
        for (const auto& [name, type] : one.others()) place(name);
    });
} catch (...) {
    earlyout::detail::rethrow_as_error(platform::path_text(path));
}

EARLYOUT_IO_INLINE bool gguf_checkpoint::has(std::string_view tensor) const {
    bool found = false;
    for_each_file(
        [&](const gguf& file) { found = found || file.tensors().contains(tensor) || file.others().contains(tensor); });
    return found;
}

EARLYOUT_IO_INLINE void gguf_checkpoint::place(const std::string& name) {
    places_.emplace(detail::hugging_face_tensor(*of_, name), name);
}

EARLYOUT_IO_INLINE std::size_t gguf_checkpoint::turned_heads(std::string_view name) const {
    if (!of_->turned) return 0;
    const auto count = [&](std::string_view key) {
        return static_cast<std::size_t>(std::max<std::int64_t>(integer(key).value_or(0), 0));
    };
    if (name.find(".self_attn.q_proj.") != name.npos) return count("num_attention_heads");
    if (name.find(".self_attn.k_proj.") == name.npos) return 0;
    return count("num_key_value_heads");
}

EARLYOUT_IO_INLINE std::vector<std::byte> gguf_checkpoint::turned_back(const tensor_view& view,
                                                                       std::size_t heads) const {
    const std::size_t rows = view.shape.empty() ? 0 : view.shape.front();
    if (rows == 0 || heads > rows || rows % (2 * heads) != 0 ||
        view.element_count() / rows % block_elements(view.type) != 0) {
        fail(errc::wrong_shape, source(), ": tensor '", view.name, "': expected ", heads,
             " heads of an even number of rows, found shape ", shape_to_string(view.shape), " of ",
             to_string(view.type));
    }
    if (view.bytes.empty()) return {};
    const std::size_t row = view.bytes.size() / rows;
    const std::size_t half = rows / heads / 2;
    std::vector<std::byte> made(view.bytes.size());
    for (std::size_t r = 0; r < rows; ++r) {
        const std::size_t in_head = r % (2 * half);
        const std::size_t from = r - in_head + in_head % half * 2 + in_head / half;
        std::memcpy(made.data() + r * row, view.bytes.data() + from * row, row);
    }
    return made;
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
