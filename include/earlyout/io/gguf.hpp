// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_GGUF_HPP
#define EARLYOUT_IO_GGUF_HPP

#include <earlyout/core/checkpoint.hpp>
#include <earlyout/core/extent.hpp>
#include <earlyout/io/detail/byte_reader.hpp>
#include <earlyout/io/detail/printable.hpp>

#include <algorithm>
#include <array>
#include <bit>
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

namespace earlyout::inline EARLYOUT_ABI {
namespace io {

/// Type of a metadata value, with the file's numbers.
enum class gguf_type : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

[[nodiscard]] constexpr const char* to_string(gguf_type type) noexcept {
    constexpr std::array names{"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                               "bool", "string", "array", "u64", "i64", "f64"};
    const auto index = static_cast<std::size_t>(type);
    return index < names.size() ? names[index] : "unknown";
}

/// A value of the metadata as it lies in the file.
struct gguf_value {
    gguf_type type = gguf_type::u8;  ///< of the value, or of an array's elements
    bool is_array = false;
    std::uint64_t count = 1;           ///< elements of an array
    std::span<const std::byte> bytes;  ///< numbers little-endian; strings with their length in 8 bytes before each
};

/// What a GGUF file holds, as views into its bytes. Tensors of other types than F32, F16, BF16, Q8_0, Q4_0, Q4_K and
/// Q6_K may be there; asking for one is an error, having one is not. Shapes are given outermost first, as everywhere
/// here; the file has them the other way round.
///
/// Format (github.com/ggml-org/ggml, docs/gguf.md), versions 2 and 3, little-endian: "GGUF", version, number of
/// tensors, number of keys, the keys with typed values, name, extents, type and offset of each tensor, then their data,
/// each at a multiple of `general.alignment`.
class gguf {
public:
    /// @param bytes  of the whole file; they must outlive this
    /// @param source for error messages (a path)
    /// @throws error (malformed_file, unsupported) naming key or tensor, what was expected and what was found
    gguf(std::span<const std::byte> bytes, std::string source) : source_(std::move(source)) {
        detail::byte_reader reader(bytes, source_);
        const std::string_view start = reader.text(std::min<std::size_t>(bytes.size(), 4), "magic");
        if (start != "GGUF") {
            fail(errc::malformed_file, source_, ": expected a file that begins with GGUF, found '",
                 detail::printable(start), "'");
        }
        const std::uint64_t tensors = read_counts(reader);
        metadata_ = bytes.first(reader.at());
        const std::size_t alignment = read_alignment();
        std::vector<placed> entries;
        for (std::uint64_t i = 0; i < tensors; ++i) entries.push_back(read_tensor(reader, i, alignment));
        place(std::move(entries), bytes, reader.at(), alignment);
    }

    [[nodiscard]] const std::string& source() const noexcept { return source_; }
    [[nodiscard]] std::uint32_t version() const noexcept { return version_; }

    /// The bytes of a file with the same metadata and no tensors.
    [[nodiscard]] std::string header_without_tensors() const {
        std::string made(reinterpret_cast<const char*>(metadata_.data()), metadata_.size());
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

    /// The tensor of that name, or nullptr.
    /// @throws error (unsupported) when it has a type that is not read
    [[nodiscard]] const tensor_view* find(std::string_view name) const {
        const auto found = tensors_.find(name);
        if (found != tensors_.end()) return &found->second;
        if (const auto other = others_.find(name); other != others_.end()) {
            fail(errc::unsupported, source_, ": tensor '", name,
                 "': expected type F32, F16, BF16, Q8_0, Q4_0, Q4_K or Q6_K, found ", other->second);
        }
        return nullptr;
    }
    /// All tensors that can be read, by name.
    [[nodiscard]] const std::map<std::string, tensor_view, std::less<>>& tensors() const noexcept { return tensors_; }
    /// The types of all other tensors, by name.
    [[nodiscard]] const std::map<std::string, std::string, std::less<>>& others() const noexcept { return others_; }

private:
    struct placed {
        tensor_view view;
        std::uint32_t type = 0;
        std::uint64_t offset = 0;
        std::optional<std::uint64_t> size;  ///< bytes, where the type is known
    };

    std::uint64_t read_counts(detail::byte_reader& reader) {
        version_ = reader.number<std::uint32_t>("version");
        if (version_ != 2 && version_ != 3) {
            const bool swapped = version_ != 0 && (version_ & 0xffffu) == 0;
            fail(errc::unsupported, source_, ": expected GGUF version 2 or 3, found ",
                 swapped ? "a big-endian file" : std::to_string(version_));
        }
        const auto tensors = reader.number<std::uint64_t>("number of tensors");
        const auto keys = reader.number<std::uint64_t>("number of keys");
        for (std::uint64_t i = 0; i < keys; ++i) read_key(reader, i);
        return tensors;
    }

    void read_key(detail::byte_reader& reader, std::uint64_t index) {
        constexpr std::uint64_t longest = 65535;
        const std::string_view key = read_name(reader, longest, [&] { return "key " + std::to_string(index); });
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

    [[nodiscard]] std::size_t read_alignment() const {
        const std::int64_t found = integer("general.alignment").value_or(32);
        if (found < 1 || found > 1 << 20 || !std::has_single_bit(static_cast<std::uint64_t>(found))) {
            fail(errc::malformed_file, source_, ": key 'general.alignment': expected a power of two up to ", 1 << 20,
                 ", found ", found);
        }
        return static_cast<std::size_t>(found);
    }

    placed read_tensor(detail::byte_reader& reader, std::uint64_t index, std::size_t alignment) const {
        constexpr std::uint64_t longest = 1024;
        constexpr std::uint32_t most_extents = 4;
        placed made;
        made.view.name = read_name(reader, longest, [&] { return "tensor " + std::to_string(index); });
        const auto what = [&] { return "tensor '" + detail::printable(made.view.name) + "'"; };
        const auto extents = reader.number<std::uint32_t>(what);
        if (extents > most_extents) {
            fail(errc::malformed_file, source_, ": ", what(), ": expected at most ", most_extents,
                 " dimensions, found ", extents);
        }
        made.view.shape.resize(extents);
        for (std::uint32_t i = extents; i-- > 0;) made.view.shape[i] = reader.number<std::uint64_t>(what);
        made.type = reader.number<std::uint32_t>(what);
        made.offset = reader.number<std::uint64_t>(what);
        if (made.offset % alignment != 0) {
            fail(errc::malformed_file, source_, ": ", what(), ": expected an offset that is a multiple of ", alignment,
                 ", found ", made.offset);
        }
        if (const std::optional<dtype> type = read_as(made.type)) {
            made.view.type = *type;
            made.size = bytes_of_shape(made.view, what);
        }
        return made;
    }

    template <class What>
    [[nodiscard]] std::uint64_t bytes_of_shape(const tensor_view& view, const What& what) const {
        const std::size_t block = block_elements(view.type);
        const std::size_t row = view.shape.empty() ? 1 : view.shape.back();
        if (row % block != 0) {
            fail(errc::malformed_file, source_, ": ", what(), ": expected rows of whole blocks of ", block,
                 " elements, as ", to_string(view.type), " has them, found shape ", shape_to_string(view.shape));
        }
        if (std::ranges::find(view.shape, std::size_t{0}) != view.shape.end()) return 0;
        std::uint64_t elements = 1;
        for (const std::size_t extent : view.shape) {
            if (extent > std::numeric_limits<std::int64_t>::max() / 4 / elements) {
                fail(errc::malformed_file, source_, ": ", what(), ": shape ", shape_to_string(view.shape),
                     " is larger than any file");
            }
            elements *= extent;
        }
        return bytes_of(view.type, elements);
    }

    /// Gives every tensor its bytes. No two may share any; between them there may be room.
    void place(std::vector<placed> entries, std::span<const std::byte> bytes, std::size_t header,
               std::size_t alignment) {
        const std::size_t begin = std::min(bytes.size(), round_up(header, alignment));
        const std::span<const std::byte> data = bytes.subspan(begin);
        std::ranges::sort(entries, {}, [](const placed& p) { return std::pair(p.offset, p.size.value_or(1)); });
        std::uint64_t end = 0;
        for (placed& p : entries) {
            const auto refuse = [&](const auto&... parts) {
                fail(errc::malformed_file, source_, ": tensor '", detail::printable(p.view.name), "': ", parts...);
            };
            const std::uint64_t size = p.size.value_or(0);
            if (p.offset > data.size() || size > data.size() - p.offset) {
                refuse("expected ", size, " bytes from offset ", p.offset, " on within the ", data.size(),
                       " bytes of data");
            }
            if (p.offset < end)
                refuse("expected an offset from ", end, " on, where the one before ends, found ", p.offset);
            end = p.offset + size;
            if (tensors_.contains(p.view.name) || others_.contains(p.view.name)) refuse("expected once, found twice");
            if (p.size) {
                p.view.bytes = data.subspan(p.offset, size);
                tensors_.emplace(p.view.name, std::move(p.view));
            } else {
                others_.emplace(p.view.name, type_name(p.type));
            }
        }
    }

    template <class What>
    [[nodiscard]] std::string_view read_name(detail::byte_reader& reader, std::uint64_t longest,
                                             const What& what) const {
        const auto size = reader.number<std::uint64_t>(what);
        if (size > longest) {
            fail(errc::malformed_file, source_, ": ", what(), ": expected a name of at most ", longest,
                 " bytes, found ", size);
        }
        return reader.text(size, what);
    }

    [[nodiscard]] static std::optional<dtype> read_as(std::uint32_t type) noexcept {
        switch (type) {
            case 0: return dtype::f32;
            case 1: return dtype::f16;
            case 2: return dtype::q4_0;
            case 8: return dtype::q8_0;
            case 12: return dtype::q4_k;
            case 14: return dtype::q6_k;
            case 30: return dtype::bf16;
            default: return std::nullopt;
        }
    }
    /// Of the types that are not read.
    [[nodiscard]] static std::string type_name(std::uint32_t type) {
        static constexpr std::array<std::pair<std::uint32_t, const char*>, 25> known{
            {{3, "Q4_1"},     {6, "Q5_0"},   {7, "Q5_1"},    {9, "Q8_1"},     {10, "Q2_K"},
             {11, "Q3_K"},    {13, "Q5_K"},  {15, "Q8_K"},   {16, "IQ2_XXS"}, {17, "IQ2_XS"},
             {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"},   {22, "IQ2_S"},
             {23, "IQ4_XS"},  {24, "I8"},    {25, "I16"},    {26, "I32"},     {27, "I64"},
             {28, "F64"},     {29, "IQ1_M"}, {34, "TQ1_0"},  {35, "TQ2_0"},   {39, "MXFP4"}}};
        const auto found = std::ranges::find(known, type, [](const auto& k) { return k.first; });
        return found == known.end() ? "type " + std::to_string(type) : found->second;
    }

    [[nodiscard]] static constexpr std::size_t size_of(gguf_type type) noexcept {
        switch (type) {
            case gguf_type::u8:
            case gguf_type::i8:
            case gguf_type::boolean: return 1;
            case gguf_type::u16:
            case gguf_type::i16: return 2;
            case gguf_type::u64:
            case gguf_type::i64:
            case gguf_type::f64: return 8;
            default: return 4;
        }
    }
    [[nodiscard]] static constexpr bool is_integer(gguf_type type) noexcept {
        return type <= gguf_type::i32 || type == gguf_type::u64 || type == gguf_type::i64;
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
    std::span<const std::byte> metadata_;  // from the file's start
    std::uint32_t version_ = 0;
    std::map<std::string, gguf_value, std::less<>> values_;
    std::map<std::string, tensor_view, std::less<>> tensors_;
    std::map<std::string, std::string, std::less<>> others_;
};

}  // namespace io
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
