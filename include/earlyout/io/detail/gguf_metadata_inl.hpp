// SPDX-License-Identifier: MIT
// What gguf_metadata.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_GGUF_METADATA_INL_HPP
#define EARLYOUT_IO_DETAIL_GGUF_METADATA_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/byte_reader.hpp>
#include <earlyout/io/detail/gguf_name_reader.hpp>
#include <earlyout/io/gguf_metadata.hpp>
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

template <class What>
gguf_type gguf_metadata::read_type(detail::byte_reader& reader, const What& what) const {
    const auto type = reader.number<std::uint32_t>(what);
    if (type > static_cast<std::uint32_t>(gguf_type::f64)) {
        fail(errc::malformed_file, source_, ": ", what(), ": expected a value type from 0 to 12, found ", type);
    }
    return static_cast<gguf_type>(type);
}

template <class What>
gguf_value gguf_metadata::read_array(detail::byte_reader& reader, const What& what, int depth) const {
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

template <class What>
void gguf_metadata::skip(detail::byte_reader& reader, gguf_type type, std::uint64_t count, const What& what,
                         int depth) const {
    if (type == gguf_type::string) {
        for (std::uint64_t i = 0; i < count; ++i) reader.skip(reader.number<std::uint64_t>(what), what);
    } else if (type == gguf_type::array) {
        for (std::uint64_t i = 0; i < count; ++i) (void)read_array(reader, what, depth);
    } else {
        reader.skip(count, what, size_of(type));
    }
}

template <class T>
T gguf_metadata::number(const gguf_value& from, std::size_t index) noexcept {
    T made;
    std::memcpy(&made, from.bytes.data() + index * sizeof(T), sizeof(T));
    return made;
}

EARLYOUT_IO_INLINE gguf_metadata::gguf_metadata(std::span<const std::byte> bytes, std::string source)
    : source_(std::move(source)) {
    detail::byte_reader reader(bytes, source_);
    const std::string_view start = reader.text(std::min<std::size_t>(bytes.size(), 4), "magic");
    if (start != "GGUF") {
        text::refuse_foreign(bytes, text::content::gguf, source_, "a file that begins with GGUF");
        fail(errc::malformed_file, source_, ": expected a file that begins with GGUF, found '",
             earlyout::detail::printable(start), "'");
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

EARLYOUT_IO_INLINE std::string gguf_metadata::header_without_tensors() const {
    std::string made(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    std::fill_n(made.begin() + 8, sizeof(std::uint64_t), '\0');  // the number of tensors, after magic and version
    return made;
}

EARLYOUT_IO_INLINE const gguf_value* gguf_metadata::value(std::string_view key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
}

EARLYOUT_IO_INLINE std::optional<std::int64_t> gguf_metadata::integer(std::string_view key) const {
    const gguf_value* found = single(key);
    if (found == nullptr) return std::nullopt;
    if (!is_integer(found->type)) refuse_type(key, "a whole number", *found);
    return integer_at(key, *found, 0);
}

EARLYOUT_IO_INLINE std::optional<double> gguf_metadata::real(std::string_view key) const {
    const gguf_value* found = single(key);
    if (found == nullptr) return std::nullopt;
    if (found->type == gguf_type::f32) return number<float>(*found, 0);
    if (found->type == gguf_type::f64) return number<double>(*found, 0);
    if (!is_integer(found->type)) refuse_type(key, "a number", *found);
    return static_cast<double>(integer_at(key, *found, 0));
}

EARLYOUT_IO_INLINE std::optional<bool> gguf_metadata::boolean(std::string_view key) const {
    const gguf_value* found = single(key);
    if (found == nullptr) return std::nullopt;
    if (found->type != gguf_type::boolean) refuse_type(key, "true or false", *found);
    return found->bytes.front() != std::byte{0};
}

EARLYOUT_IO_INLINE std::optional<std::string_view> gguf_metadata::text(std::string_view key) const {
    const gguf_value* found = single(key);
    if (found == nullptr) return std::nullopt;
    if (found->type != gguf_type::string) refuse_type(key, "a string", *found);
    return as_text(found->bytes.subspan(8));
}

EARLYOUT_IO_INLINE std::optional<std::vector<std::string_view>> gguf_metadata::texts(std::string_view key) const {
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

EARLYOUT_IO_INLINE std::optional<std::vector<std::int64_t>> gguf_metadata::integers(std::string_view key) const {
    const gguf_value* found = array(key);
    if (found == nullptr) return std::nullopt;
    if (!is_integer(found->type)) refuse_type(key, "an array of whole numbers", *found);
    std::vector<std::int64_t> made(found->count);
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = integer_at(key, *found, i);
    return made;
}

EARLYOUT_IO_INLINE std::optional<std::vector<float>> gguf_metadata::reals(std::string_view key) const {
    const gguf_value* found = array(key);
    if (found == nullptr) return std::nullopt;
    if (found->type != gguf_type::f32) refuse_type(key, "an array of f32", *found);
    std::vector<float> made(found->count);
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = number<float>(*found, i);
    return made;
}

EARLYOUT_IO_INLINE void gguf_metadata::read_key(detail::byte_reader& reader, std::uint64_t index) {
    constexpr std::uint64_t longest = 65535;
    const std::string_view key =
        detail::read_gguf_name(reader, source_, longest, [&] { return "key " + std::to_string(index); });
    if (key.empty()) fail(errc::malformed_file, source_, ": key ", index, ": expected a name, found an empty one");
    const auto what = [&] { return "key '" + earlyout::detail::printable(key) + "'"; };
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

EARLYOUT_IO_INLINE std::int64_t gguf_metadata::integer_at(std::string_view key, const gguf_value& from,
                                                          std::size_t index) const {
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
        fail(errc::malformed_file, source_, ": key '", earlyout::detail::printable(key),
             "': expected a number below 2^63, found ", found);
    }
    return static_cast<std::int64_t>(found);
}

EARLYOUT_IO_INLINE std::string_view gguf_metadata::as_text(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

EARLYOUT_IO_INLINE const gguf_value* gguf_metadata::single(std::string_view key) const {
    const gguf_value* found = value(key);
    if (found != nullptr && found->is_array) refuse_type(key, "a single value", *found);
    return found;
}

EARLYOUT_IO_INLINE const gguf_value* gguf_metadata::array(std::string_view key) const {
    const gguf_value* found = value(key);
    if (found != nullptr && !found->is_array) refuse_type(key, "an array", *found);
    return found;
}

EARLYOUT_IO_INLINE void gguf_metadata::refuse_type(std::string_view key, std::string_view expected,
                                                   const gguf_value& found) const {
    fail(errc::malformed_file, source_, ": key '", earlyout::detail::printable(key), "': expected ", expected,
         ", found ", found.is_array ? "an array of " : "", to_string(found.type));
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
