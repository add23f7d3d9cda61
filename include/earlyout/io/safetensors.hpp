// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_SAFETENSORS_HPP
#define EARLYOUT_IO_SAFETENSORS_HPP

#include <earlyout/io/mapped_file.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// A tensor of unsigned bytes.
struct byte_tensor {
    std::vector<std::size_t> shape;
    std::span<const std::byte> bytes;
};

/// The contents of a safetensors file, as views into its bytes. Tensors of other element types than F32, F16 and BF16
/// may be present (old GPT-2 files carry masks); only accessing one is an error.
///
/// Format (github.com/huggingface/safetensors): 8 bytes little-endian header length, that many bytes of JSON
/// {name: {dtype, shape, data_offsets}}, then the data, which the tensors cover without holes or overlap.
class safetensors {
public:
    using text_map = std::map<std::string, std::string, std::less<>>;

    /// @param bytes  of the whole file; they must outlive this object
    /// @param source for error messages (a path)
    /// @throws error (malformed_file) naming the tensor, what was expected and what was found
    safetensors(std::span<const std::byte> bytes, std::string source);

    [[nodiscard]] const std::string& source() const noexcept { return source_; }

    /// Returns the tensor of that name, or nullptr.
    /// @throws error (unsupported) when its element type is not supported
    [[nodiscard]] const tensor_view* find(std::string_view name) const;
    /// Returns all readable tensors, by name.
    [[nodiscard]] const std::map<std::string, tensor_view, std::less<>>& tensors() const noexcept { return tensors_; }
    /// Returns the element types of all other tensors, by name.
    [[nodiscard]] const text_map& others() const noexcept { return others_; }
    /// Returns the tensor of unsigned bytes of that name, or nullptr.
    [[nodiscard]] const byte_tensor* find_bytes(std::string_view name) const;
    /// Returns its contents; empty if there is none of that name.
    [[nodiscard]] std::optional<std::span<const std::byte>> bytes(std::string_view name) const;
    [[nodiscard]] const text_map& metadata() const noexcept { return metadata_; }
    /// Returns the bytes of all tensors together.
    [[nodiscard]] std::size_t data_bytes() const noexcept { return data_bytes_; }

private:
    static constexpr std::size_t prefix = 8;

    struct range {
        std::size_t begin;
        std::size_t end;
        std::string name;
    };

    [[nodiscard]] std::size_t header_size(std::span<const std::byte> bytes) const;

    template <class Json>
    void read_metadata(const Json& entry);

    template <class Json>
    range read_entry(const std::string& name, const Json& entry, std::span<const std::byte> data);

    void check_size(const std::string& name, const std::string& type, std::span<const std::size_t> shape,
                    std::size_t size) const;

    void check_cover(std::vector<range> covered, std::size_t size) const;

    template <class Json>
    [[nodiscard]] const Json& member(const std::string& name, const Json& entry, const char* key) const;
    template <class Json>
    [[nodiscard]] std::string text_of(const std::string& name, const Json& entry, const char* key) const;
    template <class Json>
    [[nodiscard]] std::vector<std::size_t> numbers_of(const std::string& name, const Json& entry,
                                                      const char* key) const;

    template <class... Parts>
    [[noreturn]] void refuse(const std::string& name, const Parts&... parts) const;

    std::string source_;
    std::map<std::string, tensor_view, std::less<>> tensors_;
    text_map others_;
    std::map<std::string, byte_tensor, std::less<>> bytes_;
    text_map metadata_;
    std::size_t data_bytes_ = 0;
};

/// A safetensors file that stays mapped, or in memory, during the lifetime of this object.
class safetensors_file {
public:
    /// @throws error (no_such_file, io, malformed_file)
    explicit safetensors_file(const std::filesystem::path& path, file_access access = file_access::mapped);

    [[nodiscard]] const safetensors& contents() const noexcept { return contents_; }
    [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }
    /// Gives back the memory of tensors' bytes: mapped_file::discard().
    void discard(std::span<const std::byte> part) const noexcept { file_.discard(part); }

private:
    mapped_file file_;
    safetensors contents_;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/safetensors_inl.hpp>
#endif

#endif
