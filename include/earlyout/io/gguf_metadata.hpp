// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_GGUF_METADATA_HPP
#define EARLYOUT_IO_GGUF_METADATA_HPP

#include <earlyout/io/gguf_value.hpp>

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

/// The metadata of a GGUF file: version and keys with typed values, as views into its bytes.
class gguf_metadata {
public:
    /// @param bytes  from the file's start; they must outlive this object
    /// @param source for error messages (a path)
    /// @throws error (malformed_file, unsupported) naming the key, what was expected and what was found
    gguf_metadata(std::span<const std::byte> bytes, std::string source);

    [[nodiscard]] const std::string& source() const noexcept { return source_; }
    [[nodiscard]] std::uint32_t version() const noexcept { return version_; }
    /// Returns the number of tensors that the file declares.
    [[nodiscard]] std::uint64_t tensor_count() const noexcept { return tensor_count_; }
    /// Returns the file's bytes up to the first tensor's name.
    [[nodiscard]] std::span<const std::byte> metadata_bytes() const noexcept { return bytes_; }

    /// Returns the bytes of a file with the same metadata and no tensors.
    [[nodiscard]] std::string header_without_tensors() const;

    /// Returns the value of a key, or nullptr.
    [[nodiscard]] const gguf_value* value(std::string_view key) const;
    /// Returns all values by key.
    [[nodiscard]] const std::map<std::string, gguf_value, std::less<>>& values() const noexcept { return values_; }

    /// Returns the value of a key; empty when it is absent.
    /// @throws error (malformed_file) when it has another type
    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;
    [[nodiscard]] std::optional<double> real(std::string_view key) const;
    [[nodiscard]] std::optional<bool> boolean(std::string_view key) const;
    [[nodiscard]] std::optional<std::string_view> text(std::string_view key) const;

    /// Returns the elements of an array; empty when the key is absent.
    /// @throws error (malformed_file) when it is not such an array
    [[nodiscard]] std::optional<std::vector<std::string_view>> texts(std::string_view key) const;
    [[nodiscard]] std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;
    [[nodiscard]] std::optional<std::vector<float>> reals(std::string_view key) const;

private:
    void read_key(detail::byte_reader& reader, std::uint64_t index);

    template <class What>
    gguf_type read_type(detail::byte_reader& reader, const What& what) const;

    template <class What>
    gguf_value read_array(detail::byte_reader& reader, const What& what, int depth) const;

    /// Skips `count` values; each takes bytes of the file, so that a forged count fails early.
    template <class What>
    void skip(detail::byte_reader& reader, gguf_type type, std::uint64_t count, const What& what, int depth) const;

    template <class T>
    [[nodiscard]] static T number(const gguf_value& from, std::size_t index) noexcept;
    [[nodiscard]] std::int64_t integer_at(std::string_view key, const gguf_value& from, std::size_t index) const;
    [[nodiscard]] static std::string_view as_text(std::span<const std::byte> bytes) noexcept;

    [[nodiscard]] const gguf_value* single(std::string_view key) const;
    [[nodiscard]] const gguf_value* array(std::string_view key) const;
    [[noreturn]] void refuse_type(std::string_view key, std::string_view expected, const gguf_value& found) const;

    std::string source_;
    std::span<const std::byte> bytes_;
    std::uint32_t version_ = 0;
    std::uint64_t tensor_count_ = 0;
    std::map<std::string, gguf_value, std::less<>> values_;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/gguf_metadata_inl.hpp>
#endif

#endif
