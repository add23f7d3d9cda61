// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_PACKED_CHECKPOINT_HPP
#define EARLYOUT_IO_PACKED_CHECKPOINT_HPP

#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/json_config.hpp>
#include <earlyout/io/safetensors.hpp>
#include <earlyout/io/stored_checkpoint.hpp>
#include <earlyout/text/tokenizer.hpp>
#include <earlyout/weights/packed_weights.hpp>

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

/// Returns true for a file that begins as safetensors files do: not with "GGUF".
[[nodiscard]] bool is_packed_file(const std::filesystem::path& path);

/// A whole model in one file written by write_packed(): matrices packed, to be mapped and used in place; the rest
/// unchanged. A safetensors file; packed.md describes it.
class packed_checkpoint final : public stored_checkpoint {
public:
    /// @param access how its matrices are read during the network's lifetime
    /// @throws error (no_such_file, malformed_file, unsupported)
    explicit packed_checkpoint(const std::filesystem::path& path, file_access access = file_access::mapped);

    [[nodiscard]] const std::filesystem::path& path() const noexcept override { return path_; }
    [[nodiscard]] const json_config& config() const noexcept override { return config_; }

    [[nodiscard]] const tensor_view* find(std::string_view name) const override;
    /// Visits all tensors. Those stored in matrices have no bytes.
    void for_each_tensor(function_ref<void(const tensor_view&)> visit) const override;

    [[nodiscard]] bool is_packed() const noexcept override { return true; }
    [[nodiscard]] packed_weights packed(std::string_view name) const override;
    /// Returns the fingerprint of the tensors that were packed.
    [[nodiscard]] std::string fingerprint() const override;
    [[nodiscard]] std::string lossless_format() const override;

    [[nodiscard]] const generation_config& generation() const noexcept { return generation_; }
    /// @throws error as tokenizer::from_json and read_tokenizer
    [[nodiscard]] std::optional<text::tokenizer> tokenizer() const;

private:
    void check_format() const;
    [[nodiscard]] const std::string& text_of(std::string_view key) const;
    [[nodiscard]] text::json_object object_of(std::string_view key) const;
    [[noreturn]] void refuse(const std::string& name, std::string_view expected) const;

    static std::optional<dtype> find_type(std::string_view name);
    /// "tensors": {name: [type, shape]}; those with bytes are stored under their name.
    void read_tensors();
    [[nodiscard]] std::optional<std::span<const std::byte>> stored_bytes(const std::string& name) const;
    /// "matrices": {name: [format, out, in]}, stored under "packed:" and the name.
    void read_matrices();
    void read_generation();

    std::filesystem::path path_;
    std::shared_ptr<const safetensors_file> file_;
    json_config config_;
    std::map<std::string, tensor_view, std::less<>> tensors_;
    std::map<std::string, packed_weights, std::less<>> matrices_;
    generation_config generation_;
    std::optional<std::vector<token_id>> before_;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/packed_checkpoint_inl.hpp>
#endif

#endif
