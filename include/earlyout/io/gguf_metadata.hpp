// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_GGUF_METADATA_HPP
#define EARLYOUT_IO_GGUF_METADATA_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/byte_reader.hpp>
#include <earlyout/io/detail/printable.hpp>
#include <earlyout/io/gguf_value.hpp>
#include <earlyout/text/foreign.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

namespace detail {

/// A length in 8 bytes and as many characters.
template <class What>
[[nodiscard]] std::string_view read_gguf_name(byte_reader& reader, std::string_view source, std::uint64_t longest,
                                              const What& what) {
    const auto size = reader.number<std::uint64_t>(what);
    if (size > longest) {
        fail(errc::malformed_file, source, ": ", what(), ": expected a name of at most ", longest, " bytes, found ",
             size);
    }
    return reader.text(size, what);
}

}  // namespace detail

/// What a GGUF file says before its tensors: version and keys with typed values, as views into its bytes.
class gguf_metadata {
public:
    /// @param bytes  from the file's start; they must outlive this
    /// @param source for error messages (a path)
    /// @throws error (malformed_file, unsupported) naming the key, what was expected and what was found
    gguf_metadata(std::span<const std::byte> bytes, std::string source) : source_(std::move(source)) {
        detail::byte_reader reader(bytes, source_);
        const std::string_view start = reader.text(std::min<std::size_t>(bytes.size(), 4), "magic");
        if (start != "GGUF") {
            text::refuse_foreign(bytes, text::content::gguf, source_, "a file that begins with GGUF");
            fail(errc::malformed_file, source_, ": expected a file that begins with GGUF, found '",
                 detail::printable(start), "'");
        }
        version_ = reader.number<std::uint32_t>("version");
        if (version_ != 2 && version_ != 3) {
            const bool swapped = version_ != 0 && (version_ & 0xffffu) == 0;
            fail(errc::unsupported, source_, ": expected GGUF version 2 or 3, found ",
                 swapped ? "a big-endian file" : std::to_string(version_));
        }
        tensor_count_ = reader.number<std::uint64_t>("number of tensors");
        const auto keys = reader.number<std::uint64_t>("number of keys");
        for (std::uint64_t i = 0; i < keys; ++i) read_key(reader, i);
        bytes_ = bytes.first(reader.at());
    }

    [[nodiscard]] const std::string& source() const noexcept { return source_; }
    [[nodiscard]] std::uint32_t version() const noexcept { return version_; }
    /// How many tensors the file says it has.
    [[nodiscard]] std::uint64_t tensor_count() const noexcept { return tensor_count_; }
    /// The file's bytes up to the first tensor's name.
    [[nodiscard]] std::span<const std::byte> metadata_bytes() const noexcept { return bytes_; }

    /// The bytes of a file with the same metadata and no tensors.
    [[nodiscard]] std::string header_without_tensors() const {
        std::string made(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
        std::fill_n(made.begin() + 8, sizeof(std::uint64_t), '\0');  // their number, behind magic and version
        return made;
    }

    /// The value of a key, or nullptr.
    [[nodiscard]] const gguf_value* value(std::string_view key) const {
        const auto found = values_.find(key);
        return found == values_.end() ? nullptr : &found->second;
    }
    /// All values by key.
    [[nodiscard]] const std::map<std::string, gguf_value, std::less<>>& values() const noexcept { return values_; }

    /// The value of a key; empty when it is absent.
    /// @throws error (malformed_file) when it has another type
    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const {
        const gguf_value* found = single(key);
        if (found == nullptr) return std::nullopt;
        if (!is_integer(found->type)) refuse_type(key, "a whole number", *found);
        return integer_at(key, *found, 0);
    }
    [[nodiscard]] std::optional<double> real(std::string_view key) const {
        const gguf_value* found = single(key);
        if (found == nullptr) return std::nullopt;
        if (found->type == gguf_type::f32) return number<float>(*found, 0);
        if (found->type == gguf_type::f64) return number<double>(*found, 0);
        if (!is_integer(found->type)) refuse_type(key, "a number", *found);
        return static_cast<double>(integer_at(key, *found, 0));
    }
    [[nodiscard]] std::optional<bool> boolean(std::string_view key) const {
        const gguf_value* found = single(key);
        if (found == nullptr) return std::nullopt;
        if (found->type != gguf_type::boolean) refuse_type(key, "true or false", *found);
        return found->bytes.front() != std::byte{0};
    }
    [[nodiscard]] std::optional<std::string_view> text(std::string_view key) const {
        const gguf_value* found = single(key);
        if (found == nullptr) return std::nullopt;
        if (found->type != gguf_type::string) refuse_type(key, "a string", *found);
        return as_text(found->bytes.subspan(8));
    }

    /// The elements of an array; empty when the key is absent.
    /// @throws error (malformed_file) when it is no array of that
    [[nodiscard]] std::optional<std::vector<std::string_view>> texts(std::string_view key) const {
        const gguf_value* found = array(key);
        if (found == nullptr) return std::nullopt;
        std::vector<std::string_view> made;
        if (found->type != gguf_type::string) refuse_type(key, "an array of strings", *found);
        made.reserve(found->count);  // each has 8 bytes or more in the file
        for (std::span<const std::byte> rest = found->bytes; !rest.empty();) {
            std::uint64_t size = 0;
            std::memcpy(&size, rest.data(), sizeof size);
            made.push_back(as_text(rest.subspan(8, size)));
            rest = rest.subspan(8 + size);
        }
        return made;
    }
    [[nodiscard]] std::optional<std::vector<std::int64_t>> integers(std::string_view key) const {
        const gguf_value* found = array(key);
        if (found == nullptr) return std::nullopt;
        if (!is_integer(found->type)) refuse_type(key, "an array of whole numbers", *found);
        std::vector<std::int64_t> made(found->count);
        for (std::size_t i = 0; i < made.size(); ++i) made[i] = integer_at(key, *found, i);
        return made;
    }
    [[nodiscard]] std::optional<std::vector<float>> reals(std::string_view key) const {
        const gguf_value* found = array(key);
        if (found == nullptr) return std::nullopt;
        if (found->type != gguf_type::f32) refuse_type(key, "an array of f32", *found);
        std::vector<float> made(found->count);
        for (std::size_t i = 0; i < made.size(); ++i) made[i] = number<float>(*found, i);
        return made;
    }

private:
    void read_key(detail::byte_reader& reader, std::uint64_t index) {
        constexpr std::uint64_t longest = 65535;
        const std::string_view key =
            detail::read_gguf_name(reader, source_, longest, [&] { return "key " + std::to_string(index); });
        if (key.empty()) fail(errc::malformed_file, source_, ": key ", index, ": expected a name, found an empty one");
        const auto what = [&] { return "key '" + detail::printable(key) + "'"; };
        const auto type = read_type(reader, what);
        const std::size_t begin = reader.at();
        gguf_value found{type, type == gguf_type::array, 1, {}};
        if (found.is_array) {
            found = read_array(reader, what, 0);
        } else {
            skip(reader, type, 1, what, 0);
            found.bytes = reader.since(begin);
        }
        if (found.type == gguf_type::boolean) {
            for (const std::byte b : found.bytes) {
                if (std::to_integer<unsigned>(b) > 1) {
                    fail(errc::malformed_file, source_, ": ", what(), ": expected true or false as 1 or 0, found ",
                         std::to_integer<unsigned>(b));
                }
            }
        }
        if (!values_.emplace(key, found).second) {
            fail(errc::malformed_file, source_, ": ", what(), ": expected once, found twice");
        }
    }

    template <class What>
    gguf_type read_type(detail::byte_reader& reader, const What& what) const {
        const auto type = reader.number<std::uint32_t>(what);
        if (type > static_cast<std::uint32_t>(gguf_type::f64)) {
            fail(errc::malformed_file, source_, ": ", what(), ": expected a value type from 0 to 12, found ", type);
        }
        return static_cast<gguf_type>(type);
    }

    template <class What>
    gguf_value read_array(detail::byte_reader& reader, const What& what, int depth) const {
        constexpr int deepest = 4;
        if (depth == deepest) {
            fail(errc::unsupported, source_, ": ", what(), ": expected at most ", deepest,
                 " arrays within each other, found more");
        }
        gguf_value found;
        found.is_array = true;
        found.type = read_type(reader, what);
        found.count = reader.number<std::uint64_t>(what);
        const std::size_t begin = reader.at();
        skip(reader, found.type, found.count, what, depth + 1);
        found.bytes = reader.since(begin);
        return found;
    }

    /// Passes `count` values; each takes bytes of the file, so that a lie about their number ends soon.
    template <class What>
    void skip(detail::byte_reader& reader, gguf_type type, std::uint64_t count, const What& what, int depth) const {
        if (type == gguf_type::string) {
            for (std::uint64_t i = 0; i < count; ++i) reader.skip(reader.number<std::uint64_t>(what), what);
        } else if (type == gguf_type::array) {
            for (std::uint64_t i = 0; i < count; ++i) (void)read_array(reader, what, depth);
        } else {
            reader.skip(count, what, size_of(type));
        }
    }

    template <class T>
    [[nodiscard]] static T number(const gguf_value& from, std::size_t index) noexcept {
        T made;
        std::memcpy(&made, from.bytes.data() + index * sizeof(T), sizeof(T));
        return made;
    }
    [[nodiscard]] std::int64_t integer_at(std::string_view key, const gguf_value& from, std::size_t index) const {
        switch (from.type) {
            case gguf_type::u8: return number<std::uint8_t>(from, index);
            case gguf_type::i8: return number<std::int8_t>(from, index);
            case gguf_type::u16: return number<std::uint16_t>(from, index);
            case gguf_type::i16: return number<std::int16_t>(from, index);
            case gguf_type::u32: return number<std::uint32_t>(from, index);
            case gguf_type::i32: return number<std::int32_t>(from, index);
            default: break;
        }
        const auto found = number<std::uint64_t>(from, index);
        if (from.type == gguf_type::u64 && found > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
            fail(errc::malformed_file, source_, ": key '", detail::printable(key),
                 "': expected a number below 2^63, found ", found);
        }
        return static_cast<std::int64_t>(found);
    }
    [[nodiscard]] static std::string_view as_text(std::span<const std::byte> bytes) noexcept {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

    [[nodiscard]] const gguf_value* single(std::string_view key) const {
        const gguf_value* found = value(key);
        if (found != nullptr && found->is_array) refuse_type(key, "a single value", *found);
        return found;
    }
    [[nodiscard]] const gguf_value* array(std::string_view key) const {
        const gguf_value* found = value(key);
        if (found != nullptr && !found->is_array) refuse_type(key, "an array", *found);
        return found;
    }
    [[noreturn]] void refuse_type(std::string_view key, std::string_view expected, const gguf_value& found) const {
        fail(errc::malformed_file, source_, ": key '", detail::printable(key), "': expected ", expected, ", found ",
             found.is_array ? "an array of " : "", to_string(found.type));
    }

    std::string source_;
    std::span<const std::byte> bytes_;
    std::uint32_t version_ = 0;
    std::uint64_t tensor_count_ = 0;
    std::map<std::string, gguf_value, std::less<>> values_;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
