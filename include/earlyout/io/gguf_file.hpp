// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_GGUF_FILE_HPP
#define EARLYOUT_IO_GGUF_FILE_HPP

#include <earlyout/core/dtype.hpp>
#include <earlyout/io/gguf_metadata.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {
namespace detail {
class byte_reader;
}  // namespace detail

/// The contents of a GGUF file, as views into its bytes: metadata and tensors. Tensors of types that read_as() does not
/// know may be present; only accessing one is an error. Shapes are given outermost first, as
/// everywhere here; the file has them the other way round.
///
/// Format (github.com/ggml-org/ggml, docs/gguf.md), versions 2 and 3, little-endian: "GGUF", version, number of
/// tensors, number of keys, the keys with typed values, name, extents, type and offset of each tensor, then their data,
/// each at a multiple of `general.alignment`.
class gguf : public gguf_metadata {
public:
    /// @param bytes  of the whole file; they must outlive this object
    /// @param source for error messages (a path)
    /// @throws error (malformed_file, unsupported) naming key or tensor, what was expected and what was found
    gguf(std::span<const std::byte> bytes, std::string source);

    /// Returns the tensor of that name, or nullptr.
    /// @throws error (unsupported) when its type is not supported
    [[nodiscard]] const tensor_view* find(std::string_view name) const;
    /// Returns all readable tensors, by name.
    [[nodiscard]] const std::map<std::string, tensor_view, std::less<>>& tensors() const noexcept { return tensors_; }
    /// Returns the types of all other tensors, by name.
    [[nodiscard]] const std::map<std::string, std::string, std::less<>>& others() const noexcept { return others_; }

private:
    struct placed {
        tensor_view view;
        std::uint32_t type = 0;
        std::uint64_t offset = 0;
        std::optional<std::uint64_t> size;  ///< bytes, if the type is known
    };

    [[nodiscard]] std::size_t read_alignment() const;

    placed read_tensor(detail::byte_reader& reader, std::uint64_t index, std::size_t alignment) const;

    /// Assigns every tensor its bytes. No two may overlap; gaps between them are allowed.
    void place(std::vector<placed> entries, std::span<const std::byte> bytes, std::size_t header,
               std::size_t alignment);

    [[nodiscard]] static std::optional<dtype> read_as(std::uint32_t type) noexcept;
    /// Returns the name of an unsupported type.
    [[nodiscard]] static std::string type_name(std::uint32_t type);

    std::map<std::string, tensor_view, std::less<>> tensors_;
    std::map<std::string, std::string, std::less<>> others_;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/gguf_file_inl.hpp>
#endif

#endif
