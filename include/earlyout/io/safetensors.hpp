// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_SAFETENSORS_HPP
#define EARLYOUT_IO_SAFETENSORS_HPP

#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/mapped_file.hpp>
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

/// What a safetensors file holds, as views into its bytes. Tensors of other element types than F32, F16 and
/// BF16 may be there (old GPT-2 files carry masks); asking for one is an error, having one is not.
///
/// Format (github.com/huggingface/safetensors): 8 bytes little-endian header length, that many bytes of JSON
/// {name: {dtype, shape, data_offsets}}, then the data, which the tensors cover without holes or overlap.
class safetensors {
public:
    using text_map = std::map<std::string, std::string, std::less<>>;

    /// @param bytes  of the whole file; they must outlive this
    /// @param source for error messages (a path)
    /// @throws error (malformed_file) naming the tensor, what was expected and what was found
    safetensors(std::span<const std::byte> bytes, std::string source) : source_(std::move(source)) {
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

    [[nodiscard]] const std::string& source() const noexcept { return source_; }

    /// The tensor of that name, or nullptr.
    /// @throws error (unsupported) when it has an element type that is not read
    [[nodiscard]] const tensor_view* find(std::string_view name) const {
        const auto found = tensors_.find(name);
        if (found != tensors_.end()) return &found->second;
        if (const auto other = others_.find(name); other != others_.end()) {
            fail(errc::unsupported, source_, ": tensor '", name, "': expected dtype F32, F16 or BF16, found ",
                 other->second);
        }
        return nullptr;
    }
    /// All tensors that can be read, by name.
    [[nodiscard]] const std::map<std::string, tensor_view, std::less<>>& tensors() const noexcept { return tensors_; }
    /// The element types of all other tensors, by name.
    [[nodiscard]] const text_map& others() const noexcept { return others_; }
    /// What a tensor of unsigned bytes holds; none of that name: nothing.
    [[nodiscard]] std::optional<std::span<const std::byte>> bytes(std::string_view name) const {
        const auto found = bytes_.find(name);
        return found == bytes_.end() ? std::nullopt : std::optional(found->second);
    }
    [[nodiscard]] const text_map& metadata() const noexcept { return metadata_; }
    /// Of all tensors together.
    [[nodiscard]] std::size_t data_bytes() const noexcept { return data_bytes_; }

private:
    static constexpr std::size_t prefix = 8;

    struct range {
        std::size_t begin;
        std::size_t end;
        std::string name;
    };

    [[nodiscard]] std::size_t header_size(std::span<const std::byte> bytes) const {
        constexpr std::uint64_t largest = 100'000'000;  // as the format's reference implementation has it
        text::refuse_foreign(bytes, text::content::safetensors, source_, "a safetensors file");
        if (bytes.size() < prefix) {
            fail(errc::malformed_file, source_, ": expected at least 8 bytes, found ", bytes.size());
        }
        std::uint64_t size = 0;
        for (std::size_t i = 0; i < prefix; ++i) size |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
        const std::uint64_t room = std::min<std::uint64_t>(bytes.size() - prefix, largest);
        if (size > room) {
            const bool cut_off = size <= largest && bytes.size() > prefix && bytes[prefix] == std::byte{'{'};
            fail(errc::malformed_file, source_, ": expected a header of at most ", room, " bytes, found a length of ",
                 size, cut_off ? text::cut_off : "");
        }
        return static_cast<std::size_t>(size);
    }

    void read_metadata(const detail::json& entry) {
        if (!entry.is_object()) fail(errc::malformed_file, source_, ": '__metadata__': expected an object of strings");
        for (const auto& [key, value] : entry.items()) {
            if (!value.is_string()) {
                fail(errc::malformed_file, source_, ": '__metadata__': '", detail::short_reason(key),
                     "': expected a string, found ", value.type_name());
            }
            metadata_.emplace(key, value.get<std::string>());
        }
    }

    range read_entry(const std::string& name, const detail::json& entry, std::span<const std::byte> data) {
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
            if (type == "U8") bytes_.emplace(name, data.subspan(offsets[0], size));
        }
        return {offsets[0], offsets[1], name};
    }

    void check_size(const std::string& name, const std::string& type, std::span<const std::size_t> shape,
                    std::size_t size) const {
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

    void check_cover(std::vector<range> covered, std::size_t size) const {
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

    [[nodiscard]] const detail::json& member(const std::string& name, const detail::json& entry,
                                             const char* key) const {
        if (!entry.is_object()) refuse(name, "expected an object, found ", entry.type_name());
        const auto found = entry.find(key);
        if (found == entry.end()) refuse(name, key, " is missing");
        return *found;
    }
    [[nodiscard]] std::string text_of(const std::string& name, const detail::json& entry, const char* key) const {
        const detail::json& value = member(name, entry, key);
        if (!value.is_string()) refuse(name, key, ": expected a string, found ", value.type_name());
        return value.get<std::string>();
    }
    [[nodiscard]] std::vector<std::size_t> numbers_of(const std::string& name, const detail::json& entry,
                                                      const char* key) const {
        const detail::json& value = member(name, entry, key);
        if (!value.is_array()) refuse(name, key, ": expected an array, found ", value.type_name());
        std::vector<std::size_t> numbers;
        for (const detail::json& number : value) {
            if (!number.is_number_unsigned()) {
                refuse(name, key, ": expected whole numbers from 0 to 2^64 - 1, found ",
                       detail::short_reason(number.dump(-1, ' ', true, detail::json::error_handler_t::replace)));
            }
            numbers.push_back(number.get<std::size_t>());
        }
        return numbers;
    }

    template <class... Parts>
    [[noreturn]] void refuse(const std::string& name, const Parts&... parts) const {
        fail(errc::malformed_file, source_, ": tensor '", detail::short_reason(name), "': ", parts...);
    }

    std::string source_;
    std::map<std::string, tensor_view, std::less<>> tensors_;
    text_map others_;
    std::map<std::string, std::span<const std::byte>, std::less<>> bytes_;  // of those that are U8
    text_map metadata_;
    std::size_t data_bytes_ = 0;
};

/// A safetensors file that stays mapped, or in memory, for as long as this lives.
class safetensors_file {
public:
    /// @throws error (no_such_file, io, malformed_file)
    explicit safetensors_file(const std::filesystem::path& path, file_access access = file_access::mapped) try
        : file_(path, access), contents_(file_.bytes(), file_.path()) {
    } catch (...) {
        earlyout::detail::rethrow_as_error(path.native());
    }

    [[nodiscard]] const safetensors& contents() const noexcept { return contents_; }
    [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }

private:
    mapped_file file_;
    safetensors contents_;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
