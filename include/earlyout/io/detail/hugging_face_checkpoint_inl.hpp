// SPDX-License-Identifier: MIT
// What hugging_face_checkpoint.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_HUGGING_FACE_CHECKPOINT_INL_HPP
#define EARLYOUT_IO_DETAIL_HUGGING_FACE_CHECKPOINT_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/detail/json_file.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/json_config.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/safetensors.hpp>
#include <earlyout/io/stored_checkpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

EARLYOUT_IO_INLINE hugging_face_checkpoint::hugging_face_checkpoint(const std::filesystem::path& folder,
                                                                    file_access access) try
    : folder_(folder), access_(access) {
    detail::refuse_missing_model(folder_);
    if (detail::is_file(folder_)) detail::refuse_part_of_model(folder_);
    if (!detail::is_folder(folder_)) {
        fail(errc::no_such_file, folder_.string(), ": expected a folder with a model, found ",
             detail::is_file(folder_) ? "a file" : "something else");
    }
    const std::filesystem::path config = folder_ / "config.json";
    if (!detail::exists(config)) refuse_without(config, "");
    config_ = json_config(detail::read_json_object(config), config.string());
    const auto whole = folder_ / "model.safetensors";
    const auto index = folder_ / "model.safetensors.index.json";
    if (detail::exists(whole)) {
        add_shard("model.safetensors");
        for (const auto& [name, view] : shards_.begin()->second.contents().tensors()) place(name, *shards_.begin());
        for (const auto& [name, type] : shards_.begin()->second.contents().others()) place(name, *shards_.begin());
    } else if (detail::exists(index)) {
        read_index(index);
    } else {
        refuse_without(whole, ", and no model.safetensors.index.json either");
    }
    if (config_.text("model_type") == "gpt_oss") experts_ = std::make_unique<made_experts>();
} catch (...) {
    earlyout::detail::rethrow_as_error(platform::path_text(folder));
}

EARLYOUT_IO_INLINE const tensor_view* hugging_face_checkpoint::find(std::string_view name) const {
    const auto found = where_.find(name);
    if (found != where_.end()) return found->second->contents().find(name);
    if (experts_ == nullptr) return nullptr;
    const std::lock_guard lock(experts_->guard);
    if (const auto known = experts_->by_name.find(name); known != experts_->by_name.end()) return &known->second.view;
    std::optional<detail::owned_tensor> made = make_expert(name);
    return made ? &experts_->by_name.emplace(name, std::move(*made)).first->second.view : nullptr;
}

EARLYOUT_IO_INLINE void hugging_face_checkpoint::for_each_tensor(function_ref<void(const tensor_view&)> visit) const {
    for (const auto& [name, shard] : where_) {
        const safetensors& file = shard->contents();
        const bool other = file.others().contains(name);
        if (const auto all = experts_ ? detail::find_fused_tensor(name) : std::nullopt) {
            const byte_tensor* const bytes = file.find_bytes(name);
            const std::vector<std::size_t>* const shape = bytes   ? &bytes->shape
                                                          : other ? nullptr
                                                                  : &file.find(name)->shape;
            if (shape != nullptr && !shape->empty()) visit_experts(*all, shape->front(), visit);
        } else if (!other) {
            visit(*file.find(name));
        }
    }
}

EARLYOUT_IO_INLINE void hugging_face_checkpoint::for_each_stored(function_ref<void(const tensor_view&)> visit) const {
    for (const auto& [name, shard] : where_) {
        const safetensors& file = shard->contents();
        if (!file.others().contains(name)) {
            visit(*file.find(name));
        } else if (const auto all = experts_ ? detail::find_fused_tensor(name) : std::nullopt; all) {
            const byte_tensor* const codes = all->kind == "_blocks" ? file.find_bytes(name) : nullptr;
            if (codes == nullptr || codes->shape.size() != 4) continue;
            visit({name, dtype::mxfp4, {codes->shape[0], codes->shape[1], codes->shape[2] * 32}, codes->bytes});
        }
    }
}

EARLYOUT_IO_INLINE void hugging_face_checkpoint::visit_experts(const detail::fused_tensor& all, std::size_t count,
                                                               function_ref<void(const tensor_view&)> visit) const {
    if (all.kind == "_scales") return;
    for (std::size_t expert = 0; expert < count; ++expert) {
        for (const detail::fused_name& n : detail::fused_names) {
            if (n.stored != all.matrix) continue;
            std::string name = std::string(all.before).append(std::to_string(expert)).append(".").append(n.own);
            const auto made = make_expert(name.append(all.kind == "_bias" ? ".bias" : ".weight"));
            if (!made || made->bytes.empty()) return;
            visit(made->view);
        }
    }
}

EARLYOUT_IO_INLINE const byte_tensor& hugging_face_checkpoint::bytes_of(const std::string& name) const {
    const auto found = where_.find(name);
    if (found == where_.end()) fail(errc::missing_tensor, source(), ": tensor '", name, "' is missing");
    const byte_tensor* const bytes = found->second->contents().find_bytes(name);
    if (bytes == nullptr) {
        fail(errc::unsupported, found->second->path(), ": tensor '", name, "': expected dtype U8, found another");
    }
    return *bytes;
}

EARLYOUT_IO_INLINE std::optional<detail::owned_tensor> hugging_face_checkpoint::make_expert(
    std::string_view name) const {
    const auto part = detail::find_fused_expert(name);
    if (!part) return std::nullopt;
    const auto plain = where_.find(part->stored);
    const std::string codes = part->stored + "_blocks", scales = part->stored + "_scales";
    const bool blocks = !part->bias && where_.contains(codes);
    if (plain != where_.end() && blocks) {
        fail(errc::malformed_file, source(), ": tensor '", part->stored, "': expected this or '", codes,
             "', found both");
    }
    std::optional<detail::owned_tensor> made;
    if (blocks) made = detail::take_mxfp4_expert(bytes_of(codes), bytes_of(scales), *part, source());
    if (plain != where_.end())
        made = detail::take_expert(*plain->second->contents().find(plain->first), *part, source());
    if (!made) return std::nullopt;
    made->view.name = name;
    made->view.bytes = made->bytes;  // which do not move with the vector
    return made;
}

EARLYOUT_IO_INLINE void hugging_face_checkpoint::discard(std::span<const std::byte> bytes) const noexcept {
    for (const auto& [name, file] : shards_) file.discard(bytes);
    if (experts_ == nullptr || bytes.empty()) return;
    const std::lock_guard lock(experts_->guard);
    for (auto expert = experts_->by_name.begin(); expert != experts_->by_name.end(); ++expert) {
        if (expert->second.bytes.data() != bytes.data() || expert->second.bytes.size() != bytes.size()) continue;
        experts_->by_name.erase(expert);
        return;
    }
}

EARLYOUT_IO_INLINE void hugging_face_checkpoint::refuse_without(const std::filesystem::path& file,
                                                                const char* beside) const {
    std::error_code ignored;
    const bool link = std::filesystem::is_symlink(std::filesystem::symlink_status(file, ignored));
    const std::string found = detail::found_in_place_of_model(folder_);
    fail(errc::no_such_file, file.string(), link ? ": a link to a missing file" : ": no such file", beside,
         found.c_str());
}

EARLYOUT_IO_INLINE hugging_face_checkpoint::shard_map::value_type& hugging_face_checkpoint::add_shard(
    const std::string& name) {
    const auto found = shards_.find(name);
    if (found != shards_.end()) return *found;
    return *shards_.emplace(name, safetensors_file(folder_ / name, access_)).first;
}

EARLYOUT_IO_INLINE void hugging_face_checkpoint::place(const std::string& tensor, const shard_map::value_type& shard) {
    where_.emplace(tensor, &shard.second);
}

EARLYOUT_IO_INLINE void hugging_face_checkpoint::read_index(const std::filesystem::path& path) {
    const detail::json index = detail::read_json_object(path);
    const auto map = index.find("weight_map");
    if (map == index.end() || !map->is_object()) {
        fail(errc::malformed_file, path.string(), ": expected 'weight_map' to be an object of file names");
    }
    refuse_missing_shards(path, *map);
    for (const auto& [tensor, file] : map->items()) {
        const std::string name = file.is_string() ? file.get<std::string>() : std::string();
        if (!is_plain_name(name)) {
            fail(errc::malformed_file, path.string(), ": 'weight_map': tensor '", detail::short_reason(tensor),
                 "': expected the name of a file beside it, found ",
                 detail::short_reason(file.dump(-1, ' ', true, detail::json::error_handler_t::replace)));
        }
        const auto& shard = add_shard(name);
        const safetensors& contents = shard.second.contents();
        // A missing shard is reported when it is needed.
        if (contents.tensors().contains(tensor) || contents.others().contains(tensor)) place(tensor, shard);
    }
}

template <class Json>
void hugging_face_checkpoint::refuse_missing_shards(const std::filesystem::path& index, const Json& map) const {
    std::set<std::string> names;
    for (const auto& [tensor, file] : map.items()) {
        if (file.is_string() && is_plain_name(file.template get_ref<const std::string&>())) names.insert(file);
    }
    std::size_t missing = 0;
    std::string first;
    for (const std::string& name : names) {
        if (detail::exists(folder_ / name)) continue;
        if (missing++ == 0) first = (folder_ / name).string();
    }
    if (missing == 0) return;
    fail(errc::no_such_file, first, ": no such file, though ", index.filename().string(), " names it: ", missing,
         " of ", names.size(), " shards are missing");
}

EARLYOUT_IO_INLINE bool hugging_face_checkpoint::is_plain_name(std::string_view name) {
    return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\0", 2)) == name.npos;
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
