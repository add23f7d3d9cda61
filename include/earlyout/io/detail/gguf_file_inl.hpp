// SPDX-License-Identifier: MIT
// What gguf_file.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_GGUF_FILE_INL_HPP
#define EARLYOUT_IO_DETAIL_GGUF_FILE_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/extent.hpp>
#include <earlyout/io/detail/byte_reader.hpp>
#include <earlyout/io/detail/gguf_name_reader.hpp>
#include <earlyout/io/gguf_file.hpp>
#include <earlyout/io/gguf_metadata.hpp>
#include <earlyout/text/foreign.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
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

EARLYOUT_IO_INLINE gguf::gguf(std::span<const std::byte> bytes, std::string source)
    : gguf_metadata(bytes, std::move(source)) {
    detail::byte_reader reader(bytes, this->source());
    reader.skip(metadata_bytes().size(), "metadata");
    const std::size_t alignment = read_alignment();
    std::vector<placed> entries;
    for (std::uint64_t i = 0; i < tensor_count(); ++i) entries.push_back(read_tensor(reader, i, alignment));
    place(std::move(entries), bytes, reader.at(), alignment);
}

EARLYOUT_IO_INLINE const tensor_view* gguf::find(std::string_view name) const {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) return &found->second;
    if (const auto other = others_.find(name); other != others_.end()) {
        fail(errc::unsupported, source(), ": tensor '", name,
             "': expected F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS or MXFP4, found ",
             other->second);
    }
    return nullptr;
}

EARLYOUT_IO_INLINE std::size_t gguf::read_alignment() const {
    const std::int64_t found = integer("general.alignment").value_or(32);
    if (found < 1 || found > 1 << 20 || !std::has_single_bit(static_cast<std::uint64_t>(found))) {
        fail(errc::malformed_file, source(), ": key 'general.alignment': expected a power of two up to ", 1 << 20,
             ", found ", found);
    }
    return static_cast<std::size_t>(found);
}

EARLYOUT_IO_INLINE gguf::placed gguf::read_tensor(detail::byte_reader& reader, std::uint64_t index,
                                                  std::size_t alignment) const {
    constexpr std::uint64_t longest = 1024;
    constexpr std::uint32_t max_extents = 4;
    placed made;
    made.view.name =
        detail::read_gguf_name(reader, source(), longest, [&] { return "tensor " + std::to_string(index); });
    const auto what = [&] { return "tensor '" + earlyout::detail::printable(made.view.name) + "'"; };
    const auto extents = reader.number<std::uint32_t>(what);
    if (extents > max_extents) {
        fail(errc::malformed_file, source(), ": ", what(), ": expected at most ", max_extents, " dimensions, found ",
             extents);
    }
    made.view.shape.resize(extents);
    for (std::uint32_t i = extents; i-- > 0;) made.view.shape[i] = reader.number<std::uint64_t>(what);
    made.type = reader.number<std::uint32_t>(what);
    made.offset = reader.number<std::uint64_t>(what);
    if (made.offset % alignment != 0) {
        fail(errc::malformed_file, source(), ": ", what(), ": expected an offset that is a multiple of ", alignment,
             ", found ", made.offset);
    }
    if (const std::optional<dtype> type = read_as(made.type)) {
        made.view.type = *type;
        made.size = bytes_of_shape(made.view, this->source());
    }
    return made;
}

EARLYOUT_IO_INLINE void gguf::place(std::vector<placed> entries, std::span<const std::byte> bytes, std::size_t header,
                                    std::size_t alignment) {
    const std::size_t begin = std::min(bytes.size(), round_up(header, alignment));
    const std::span<const std::byte> data = bytes.subspan(begin);
    std::ranges::sort(entries, {}, [](const placed& p) { return std::pair(p.offset, p.size.value_or(1)); });
    std::uint64_t end = 0;
    for (placed& p : entries) {
        const auto refuse = [&](const auto&... parts) {
            fail(errc::malformed_file, source(), ": tensor '", earlyout::detail::printable(p.view.name),
                 "': ", parts...);
        };
        const std::uint64_t size = p.size.value_or(0);
        if (p.offset > data.size() || size > data.size() - p.offset) {
            refuse("expected ", size, " bytes from offset ", p.offset, " on within the ", data.size(), " bytes of data",
                   p.offset <= std::uint64_t{1} << 50 ? text::cut_off : "");
        }
        if (p.offset < end) refuse("expected an offset from ", end, " on, where the one before ends, found ", p.offset);
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

EARLYOUT_IO_INLINE std::optional<dtype> gguf::read_as(std::uint32_t type) noexcept {
    switch (type) {
        case 0: return dtype::f32;
        case 1: return dtype::f16;
        case 2: return dtype::q4_0;
        case 3: return dtype::q4_1;
        case 6: return dtype::q5_0;
        case 7: return dtype::q5_1;
        case 8: return dtype::q8_0;
        case 10: return dtype::q2_k;
        case 11: return dtype::q3_k;
        case 12: return dtype::q4_k;
        case 13: return dtype::q5_k;
        case 14: return dtype::q6_k;
        case 20: return dtype::iq4_nl;
        case 23: return dtype::iq4_xs;
        case 30: return dtype::bf16;
        case 39: return dtype::mxfp4;
        default: return std::nullopt;
    }
}

EARLYOUT_IO_INLINE std::string gguf::type_name(std::uint32_t type) {
    static constexpr std::array<std::pair<std::uint32_t, const char*>, 16> known{{{9, "Q8_1"},
                                                                                  {15, "Q8_K"},
                                                                                  {16, "IQ2_XXS"},
                                                                                  {17, "IQ2_XS"},
                                                                                  {18, "IQ3_XXS"},
                                                                                  {19, "IQ1_S"},
                                                                                  {21, "IQ3_S"},
                                                                                  {22, "IQ2_S"},
                                                                                  {24, "I8"},
                                                                                  {25, "I16"},
                                                                                  {26, "I32"},
                                                                                  {27, "I64"},
                                                                                  {28, "F64"},
                                                                                  {29, "IQ1_M"},
                                                                                  {34, "TQ1_0"},
                                                                                  {35, "TQ2_0"}}};
    const auto found = std::ranges::find(known, type, [](const auto& k) { return k.first; });
    return found == known.end() ? "type " + std::to_string(type) : found->second;
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
