// SPDX-License-Identifier: MIT
// What safetensors.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_SAFETENSORS_INL_HPP
#define EARLYOUT_IO_DETAIL_SAFETENSORS_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/safetensors.hpp>
#include <earlyout/text/foreign.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
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

EARLYOUT_IO_INLINE safetensors::safetensors(std::span<const std::byte> bytes, std::string source)
    : source_(std::move(source)) {
    const std::size_t header = header_size(bytes);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + prefix, header);
    const detail::json entries = detail::parse_json(text, source_ + ": header");
    if (!entries.is_object()) fail(errc::malformed_file, source_, ": header: expected a JSON object");
    const std::span<const std::byte> data = bytes.subspan(prefix + header);
    std::vector<range> covered;
    for (const auto& [name, entry] : entries.items()) {
        if (name == "__metadata__") {
            read_metadata(entry);
        } else {
            covered.push_back(read_entry(name, entry, data));
        }
    }
    check_cover(std::move(covered), data.size());
    data_bytes_ = data.size();
}

EARLYOUT_IO_INLINE const tensor_view* safetensors::find(std::string_view name) const {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) return &found->second;
    if (const auto other = others_.find(name); other != others_.end()) {
        fail(errc::unsupported, source_, ": tensor '", name, "': expected dtype F32, F16 or BF16, found ",
             other->second);
    }
    return nullptr;
}

EARLYOUT_IO_INLINE const byte_tensor* safetensors::find_bytes(std::string_view name) const {
    const auto found = bytes_.find(name);
    return found == bytes_.end() ? nullptr : &found->second;
}

EARLYOUT_IO_INLINE std::optional<std::span<const std::byte>> safetensors::bytes(std::string_view name) const {
    const byte_tensor* const found = find_bytes(name);
    return found == nullptr ? std::nullopt : std::optional(found->bytes);
}

EARLYOUT_IO_INLINE std::size_t safetensors::header_size(std::span<const std::byte> bytes) const {
    constexpr std::uint64_t largest = 100'000'000;  // as in the format's reference implementation
    text::refuse_foreign(bytes, text::content::safetensors, source_, "a safetensors file");
    if (bytes.size() < prefix) {
        fail(errc::malformed_file, source_, ": expected at least 8 bytes, found ", bytes.size());
    }
    std::uint64_t size = 0;
    for (std::size_t i = 0; i < prefix; ++i) size |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
    const std::uint64_t room = std::min<std::uint64_t>(bytes.size() - prefix, largest);
    if (size > room) {
        const bool cut_off = size <= largest && bytes.size() > prefix && bytes[prefix] == std::byte{'{'};
        fail(errc::malformed_file, source_, ": expected a header of at most ", room, " bytes, found a length of ", size,
             cut_off ? text::cut_off : "");
    }
    return static_cast<std::size_t>(size);
}

template <class Json>
void safetensors::read_metadata(const Json& entry) {
    if (!entry.is_object()) fail(errc::malformed_file, source_, ": '__metadata__': expected an object of strings");
    for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) {
            fail(errc::malformed_file, source_, ": '__metadata__': '", detail::short_reason(key),
                 "': expected a string, found ", value.type_name());
        }
        metadata_.emplace(key, value.template get<std::string>());
    }
}

template <class Json>
safetensors::range safetensors::read_entry(const std::string& name, const Json& entry,
                                           std::span<const std::byte> data) {
    const std::string type = text_of(name, entry, "dtype");
    const std::vector<std::size_t> shape = numbers_of(name, entry, "shape");
    const std::vector<std::size_t> offsets = numbers_of(name, entry, "data_offsets");
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size()) {
        const bool cut_off = offsets.size() == 2 && offsets[0] <= offsets[1];
        refuse(name, "data_offsets: expected [begin, end] within the ", data.size(), " bytes of data, found ",
               shape_to_string(offsets), cut_off ? text::cut_off : "");
    }
    const std::size_t size = offsets[1] - offsets[0];
    check_size(name, type, shape, size);
    if (type == "F32" || type == "F16" || type == "BF16") {
        const dtype read = type == "F32" ? dtype::f32 : type == "F16" ? dtype::f16 : dtype::bf16;
        tensors_.emplace(name, tensor_view{name, read, shape, data.subspan(offsets[0], size)});
    } else {
        others_.emplace(name, type);
        if (type == "U8") bytes_.emplace(name, byte_tensor{shape, data.subspan(offsets[0], size)});
    }
    return {offsets[0], offsets[1], name};
}

EARLYOUT_IO_INLINE void safetensors::check_size(const std::string& name, const std::string& type,
                                                std::span<const std::size_t> shape, std::size_t size) const {
    static constexpr std::array<std::pair<std::string_view, std::size_t>, 15> known{{{"F64", 8},
                                                                                     {"I64", 8},
                                                                                     {"U64", 8},
                                                                                     {"C64", 8},
                                                                                     {"F32", 4},
                                                                                     {"I32", 4},
                                                                                     {"U32", 4},
                                                                                     {"F16", 2},
                                                                                     {"BF16", 2},
                                                                                     {"I16", 2},
                                                                                     {"U16", 2},
                                                                                     {"I8", 1},
                                                                                     {"U8", 1},
                                                                                     {"BOOL", 1},
                                                                                     {"F8_E4M3", 1}}};
    const auto found = std::ranges::find(known, type, [](const auto& k) { return k.first; });
    if (found == known.end()) return;  // an element type of a later version
    std::size_t expected = std::ranges::find(shape, std::size_t{0}) != shape.end() ? 0 : found->second;
    for (const std::size_t extent : shape) {
        if (expected == 0) break;
        if (extent > std::numeric_limits<std::size_t>::max() / expected) {
            refuse(name, "shape ", shape_to_string(shape), " is larger than any file");
        }
        expected *= extent;
    }
    if (size != expected) {
        refuse(name, "expected ", expected, " bytes of ", type, " for shape ", shape_to_string(shape), ", found ",
               size);
    }
}

EARLYOUT_IO_INLINE void safetensors::check_cover(std::vector<range> covered, std::size_t size) const {
    std::ranges::sort(covered, {}, [](const range& r) { return std::pair(r.begin, r.end); });
    std::size_t at = 0;
    for (const range& r : covered) {
        if (r.begin != at) {
            refuse(r.name, "expected data from byte ", at, " on, where the one before it ends; found ", r.begin,
                   r.begin < at ? " (they overlap)" : " (there is a hole)");
        }
        at = r.end;
    }
    if (at != size) {
        fail(errc::malformed_file, source_, ": expected ", at, " bytes of data, found ", size);
    }
}

template <class Json>
const Json& safetensors::member(const std::string& name, const Json& entry, const char* key) const {
    if (!entry.is_object()) refuse(name, "expected an object, found ", entry.type_name());
    const auto found = entry.find(key);
    if (found == entry.end()) refuse(name, key, " is missing");
    return *found;
}

template <class Json>
std::string safetensors::text_of(const std::string& name, const Json& entry, const char* key) const {
    const detail::json& value = member(name, entry, key);
    if (!value.is_string()) refuse(name, key, ": expected a string, found ", value.type_name());
    return value.template get<std::string>();
}

template <class Json>
std::vector<std::size_t> safetensors::numbers_of(const std::string& name, const Json& entry, const char* key) const {
    const detail::json& value = member(name, entry, key);
    if (!value.is_array()) refuse(name, key, ": expected an array, found ", value.type_name());
    std::vector<std::size_t> numbers;
    for (const detail::json& number : value) {
        if (!number.is_number_unsigned()) {
            refuse(name, key, ": expected whole numbers from 0 to 2^64 - 1, found ",
                   detail::short_reason(number.dump(-1, ' ', true, detail::json::error_handler_t::replace)));
        }
        numbers.push_back(number.template get<std::size_t>());
    }
    return numbers;
}

template <class... Parts>
void safetensors::refuse(const std::string& name, const Parts&... parts) const {
    fail(errc::malformed_file, source_, ": tensor '", detail::short_reason(name), "': ", parts...);
}

EARLYOUT_IO_INLINE safetensors_file::safetensors_file(const std::filesystem::path& path, file_access access) try
    : file_(path, access), contents_(file_.bytes(), file_.path()) {
} catch (...) {
    earlyout::detail::rethrow_as_error(platform::path_text(path));
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
