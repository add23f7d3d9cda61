// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_HUGGING_FACE_CHECKPOINT_HPP
#define EARLYOUT_IO_HUGGING_FACE_CHECKPOINT_HPP

#include <earlyout/io/detail/fused_experts.hpp>
#include <earlyout/io/json_config.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/safetensors.hpp>
#include <earlyout/io/stored_checkpoint.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// A Hugging Face folder as a checkpoint: `config.json` with `model.safetensors`, or with the shards that
/// `model.safetensors.index.json` names. Files stay mapped during the lifetime of this object. The experts of gpt-oss,
/// which are stored together, are found one by one, as other mixtures have them: detail/fused_experts.hpp.
class hugging_face_checkpoint final : public stored_checkpoint {
public:
    /// @throws error (no_such_file, malformed_file, unsupported)
    explicit hugging_face_checkpoint(const std::filesystem::path& folder, file_access access = file_access::mapped);

    [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
    /// Returns the whole of config.json.
    [[nodiscard]] const json_config& config() const noexcept override { return config_; }

    [[nodiscard]] const std::filesystem::path& path() const noexcept override { return folder_; }
    /// May be called by several threads.
    [[nodiscard]] const tensor_view* find(std::string_view name) const override;

    /// Experts are visited one by one.
    void for_each_tensor(function_ref<void(const tensor_view&)> visit) const override;
    void for_each_stored(function_ref<void(const tensor_view&)> visit) const override;

private:
    void discard(std::span<const std::byte> bytes) const noexcept override;

    /// Experts made of what is stored, each kept until it has been read.
    struct made_experts {
        std::mutex guard;
        std::map<std::string, detail::owned_tensor, std::less<>> by_name;
    };
    [[nodiscard]] std::optional<detail::owned_tensor> make_expert(std::string_view name) const;
    /// Visits the experts of a tensor that holds something of all.
    void visit_experts(const detail::fused_tensor& all, std::size_t count,
                       function_ref<void(const tensor_view&)> visit) const;
    /// Returns a tensor of codes or scales.
    /// @throws error (missing_tensor), (unsupported) for one of another type
    [[nodiscard]] const byte_tensor& bytes_of(const std::string& name) const;

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
    std::unique_ptr<made_experts> experts_;  ///< of gpt-oss alone
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/hugging_face_checkpoint_inl.hpp>
#endif

#endif
