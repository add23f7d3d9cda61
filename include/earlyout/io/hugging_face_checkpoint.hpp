// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_HUGGING_FACE_CHECKPOINT_HPP
#define EARLYOUT_IO_HUGGING_FACE_CHECKPOINT_HPP

#include <earlyout/io/json_config.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/safetensors.hpp>
#include <earlyout/io/stored_checkpoint.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// A Hugging Face folder as a checkpoint: `config.json` with `model.safetensors`, or with the shards that
/// `model.safetensors.index.json` names. Files stay mapped during the lifetime of this object.
class hugging_face_checkpoint final : public stored_checkpoint {
public:
    /// @throws error (no_such_file, malformed_file, unsupported)
    explicit hugging_face_checkpoint(const std::filesystem::path& folder, file_access access = file_access::mapped);

    [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
    /// Returns the whole of config.json.
    [[nodiscard]] const json_config& config() const noexcept override { return config_; }

    [[nodiscard]] const std::filesystem::path& path() const noexcept override { return folder_; }
    [[nodiscard]] const tensor_view* find(std::string_view name) const override;

    void for_each_tensor(function_ref<void(const tensor_view&)> visit) const override;

private:
    void discard(std::span<const std::byte> bytes) const noexcept override {
        for (const auto& [name, file] : shards_) file.discard(bytes);
    }
    [[noreturn]] void refuse_without(const std::filesystem::path& file, const char* beside) const;

    using shard_map = std::map<std::string, safetensors_file, std::less<>>;

    shard_map::value_type& add_shard(const std::string& name);
    void place(const std::string& tensor, const shard_map::value_type& shard);

    void read_index(const std::filesystem::path& path);

    /// Throws if shards are missing, naming the first one and their number.
    template <class Json>
    void refuse_missing_shards(const std::filesystem::path& index, const Json& map) const;
    /// Returns whether a name is a file of this folder: an index must not refer to other places in the file system.
    [[nodiscard]] static bool is_plain_name(std::string_view name);

    std::filesystem::path folder_;
    file_access access_;
    json_config config_;
    shard_map shards_;
    std::map<std::string, const safetensors_file*, std::less<>> where_;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/hugging_face_checkpoint_inl.hpp>
#endif

#endif
