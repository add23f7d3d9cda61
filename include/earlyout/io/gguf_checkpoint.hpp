// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_GGUF_CHECKPOINT_HPP
#define EARLYOUT_IO_GGUF_CHECKPOINT_HPP

#include <earlyout/io/gguf_file.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/stored_checkpoint.hpp>
#include <earlyout/weights/flat_config.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {
namespace detail {
struct gguf_architecture;
}  // namespace detail

/// A GGUF file as a checkpoint with Hugging Face's configuration keys, tensor names and row order for its architecture:
/// those of detail::gguf_architectures, such as `gpt2` and `llama` (Mistral too). A model in several files
/// (NAME-00001-of-00003.gguf) is opened by the name of any of them. Files stay mapped during the lifetime of this
/// object. Experts that are stored in one tensor are found one by one. GPT-2's matrices are [out, in] in GGUF, which
/// `conv1d_layout` states; the divisors of Llama 3.1's rotary frequencies are the tensor `rope_freqs.weight`, and those
/// of LongRoPE `rope_factors_short.weight`.
class gguf_checkpoint final : public stored_checkpoint {
public:
    /// @throws error (no_such_file, malformed_file), (unsupported) for another architecture
    explicit gguf_checkpoint(const std::filesystem::path& path, file_access access = file_access::mapped);
    /// @param bytes  of a whole file; they must outlive this object
    /// @param source for error messages
    gguf_checkpoint(std::span<const std::byte> bytes, const std::string& source);

    [[nodiscard]] const std::filesystem::path& path() const noexcept override { return path_; }
    /// Returns the file's own contents; of several files, those of the first, which has the metadata.
    [[nodiscard]] const gguf& contents() const noexcept { return contents_; }

    [[nodiscard]] const flat_config& config() const noexcept override { return config_; }

    /// May be called by several threads.
    [[nodiscard]] const tensor_view* find(std::string_view name) const override;

    void for_each_tensor(function_ref<void(const tensor_view&)> visit) const override;

private:
    gguf_checkpoint(std::optional<mapped_file> file, std::span<const std::byte> bytes,
                    const std::filesystem::path& path, file_access access);

    /// A further file of a model in several.
    struct part {
        mapped_file file;
        gguf contents;
    };
    void open_parts(file_access access);
    void discard(std::span<const std::byte> bytes) const noexcept override;
    /// Calls visit(contents) with each file's.
    template <class Visit>
    void for_each_file(Visit visit) const {
        visit(contents_);
        for (const part& p : parts_) visit(p.contents);
    }
    /// Returns the tensor that a file stores under this name, or nullptr.
    [[nodiscard]] const tensor_view* stored(std::string_view name) const;

    /// State made on demand.
    struct state {
        std::mutex guard;
        std::map<std::string, tensor_view, std::less<>> views;
        std::vector<std::vector<std::byte>> owned;
    };

    [[nodiscard]] const detail::gguf_architecture& find_architecture() const;

    /// Returns a key of the architecture.
    [[nodiscard]] std::string key(std::string_view name) const;
    void read_config();

    /// Passes unsupported settings that change the result to the architecture, which refuses them.
    void read_scales();

    /// Derives sizes that follow from others in GGUF, where Hugging Face has defaults of the architecture.
    void complete_sizes();

    /// Sets what llama.cpp knows of Gemma without a key.
    void read_gemma();

    void read_rotary();

    /// Sets what gpt-oss has without a key, and refuses what it does not have.
    void read_gpt_oss();

    /// Sets what llama.cpp knows of a mixture of experts without a key, and refuses what it does not have.
    void read_experts();

    [[nodiscard]] bool has(std::string_view tensor) const;
    void place(const std::string& name);

    /// Returns the tensor of that name and its place in the file, which for an expert is a part of a larger tensor;
    /// nothing if there is none.
    [[nodiscard]] std::optional<tensor_view> placed(std::string_view name) const;
    /// Returns one expert's matrix or bias of those of all, if there is one of that number.
    /// @param extents of the tensor of all
    [[nodiscard]] std::optional<tensor_view> expert_of(const tensor_view& all, std::size_t expert,
                                                       std::size_t extents) const;

    /// Returns the number of heads of a tensor whose rows llama.cpp reorders (queries and keys of Llama), else 0.
    [[nodiscard]] std::size_t turned_heads(std::string_view name) const;

    /// Returns the rows of each head in Hugging Face's order: the first elements of all rotary planes, then the second
    /// ones. llama.cpp stores each plane's two side by side (LlamaModel.permute of its convert_hf_to_gguf.py).
    [[nodiscard]] std::vector<std::byte> turned_back(const tensor_view& view, std::size_t heads) const;

    template <class Found>
    [[noreturn]] void unsupported(std::string_view key, std::string_view expected, const Found& found) const;

    std::filesystem::path path_;
    std::optional<mapped_file> file_;
    gguf contents_;
    std::vector<part> parts_;
    const detail::gguf_architecture* of_;
    flat_config config_;
    std::map<std::string, std::string, std::less<>> places_;  ///< our name to the file's
    std::unique_ptr<state> state_;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/gguf_checkpoint_inl.hpp>
#endif

#endif
