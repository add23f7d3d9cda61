// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_FUSED_EXPERTS_HPP
#define EARLYOUT_IO_DETAIL_FUSED_EXPERTS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/expert_names.hpp>
#include <earlyout/io/safetensors.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file gpt-oss's experts in a Hugging Face folder. A layer's are stored together, gate and up row by row in turn:
/// plain matrices transposed, [experts, in, out]; those in MXFP4 as codes [experts, out, in / 32, 16] and scales
/// [experts, out, in / 32]. Each is found by itself, under the name that other mixtures give it.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io { namespace detail {

/// A matrix of one expert: rows `first`, `first` + `step` and so on of a stored one.
struct fused_name {
    std::string_view own;
    std::string_view stored;
    std::size_t first = 0;
    std::size_t step = 1;
};
inline constexpr fused_name fused_names[] = {
    {"gate_proj", "gate_up_proj", 0, 2}, {"up_proj", "gate_up_proj", 1, 2}, {"down_proj", "down_proj"}};
inline constexpr std::string_view fused_place = ".mlp.experts.";

/// One expert's matrix or bias and where it is stored.
struct fused_expert {
    std::string stored;  ///< "model.layers.0.mlp.experts.gate_up_proj", for a bias with "_bias"
    std::size_t expert = 0;
    std::size_t first = 0;
    std::size_t step = 1;
    bool bias = false;
};
/// Returns what "model.layers.0.mlp.experts.3.up_proj.weight" is part of; nothing for a name of another kind.
[[nodiscard]] inline std::optional<fused_expert> find_fused_expert(std::string_view name) {
    const std::optional<stacked_expert> found = find_stacked_expert(name);
    const std::size_t at = found ? found->name.find(fused_place) : std::string::npos;
    if (at == std::string::npos) return std::nullopt;
    const std::string_view rest = std::string_view(found->name).substr(at + fused_place.size());
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view kind = rest.substr(dot);
    if (kind != ".weight" && kind != ".bias") return std::nullopt;
    for (const fused_name& n : fused_names) {
        if (n.own != rest.substr(0, dot)) continue;
        fused_expert made{found->name.substr(0, at + fused_place.size()), found->expert, n.first, n.step,
                          kind == ".bias"};
        made.stored.append(n.stored).append(made.bias ? "_bias" : "");
        return made;
    }
    return std::nullopt;
}

/// A tensor that holds something of all experts, by the parts of its name.
struct fused_tensor {
    std::string_view before;  ///< "model.layers.0.mlp.experts."
    std::string_view matrix;  ///< "gate_up_proj"
    std::string_view kind;    ///< "", "_bias", "_blocks", "_scales"
};
[[nodiscard]] inline std::optional<fused_tensor> find_fused_tensor(std::string_view name) {
    const std::size_t at = name.find(fused_place);
    if (at == name.npos) return std::nullopt;
    const std::size_t end = at + fused_place.size();
    for (const fused_name& n : fused_names) {
        for (const std::string_view kind : {"", "_bias", "_blocks", "_scales"}) {
            if (name.size() == end + n.stored.size() + kind.size() && name.substr(end).starts_with(n.stored) &&
                name.ends_with(kind)) {
                return fused_tensor{name.substr(0, end), n.stored, kind};
            }
        }
    }
    return std::nullopt;
}

/// A tensor with bytes of its own.
struct owned_tensor {
    tensor_view view;
    std::vector<std::byte> bytes;
};

/// Refuses a tensor of all experts whose shape is another.
inline void require_extents(std::string_view source, std::string_view name, std::span<const std::size_t> shape,
                            bool holds, std::string_view expected) {
    if (holds) return;
    fail(errc::wrong_shape, source, ": tensor '", name, "': expected ", expected, ", found shape ",
         shape_to_string(shape));
}

/// Copies one expert's part of numbers: a matrix [in, out] transposed, or a bias [out].
/// @return nothing if there are fewer experts
[[nodiscard]] inline std::optional<owned_tensor> take_expert(const tensor_view& all, const fused_expert& part,
                                                             std::string_view source) {
    const std::vector<std::size_t>& shape = all.shape;
    require_extents(source, all.name, shape, shape.size() == (part.bias ? 2 : 3) && shape.back() % part.step == 0,
                    part.bias ? "the biases of all experts" : "the matrices of all experts, [experts, in, out]");
    if (part.expert >= shape.front()) return std::nullopt;
    const std::size_t size = size_of(all.type), out = shape.back() / part.step, in = part.bias ? 1 : shape[1];
    const std::byte* const from = all.bytes.data() + part.expert * in * shape.back() * size;
    owned_tensor made{{.name = {}, .type = all.type, .shape = {out}, .bytes = {}}, std::vector<std::byte>()};
    if (!part.bias) made.view.shape.push_back(in);
    made.bytes.resize(in * out * size);
    for (std::size_t k = 0; k < in; ++k) {
        const std::byte* const column = from + (k * shape.back() + part.first) * size;
        for (std::size_t r = 0; r < out; ++r) {
            std::memcpy(made.bytes.data() + (r * in + k) * size, column + r * part.step * size, size);
        }
    }
    return made;
}

/// Returns the eight nibbles of a word, the lowest first, each in a byte.
[[nodiscard]] constexpr std::uint64_t spread_nibbles(std::uint32_t word) noexcept {
    std::uint64_t wide = word;
    wide = (wide | wide << 16) & 0x0000ffff0000ffffu;
    wide = (wide | wide << 8) & 0x00ff00ff00ff00ffu;
    return (wide | wide << 4) & 0x0f0f0f0f0f0f0f0fu;
}
/// Writes a block of MXFP4: its scale, then codes i and i + 16 in byte i.
/// @param codes 2 i and 2 i + 1 in byte i, as at Hugging Face
inline void write_mxfp4(std::byte scale, const std::byte* codes, std::byte* block) noexcept {
    std::uint32_t words[4];
    std::memcpy(words, codes, sizeof words);
    const std::uint64_t made[2]{spread_nibbles(words[0]) | spread_nibbles(words[2]) << 4,
                                spread_nibbles(words[1]) | spread_nibbles(words[3]) << 4};
    block[0] = scale;
    std::memcpy(block + 1, made, sizeof made);
}

/// Makes one expert's part of codes and scales as a matrix in MXFP4.
/// @return nothing if there are fewer experts
[[nodiscard]] inline std::optional<owned_tensor> take_mxfp4_expert(const byte_tensor& codes, const byte_tensor& scales,
                                                                   const fused_expert& part, std::string_view source) {
    const std::string name = part.stored + "_blocks";
    constexpr std::size_t half = 16, size = block_bytes(dtype::mxfp4);
    require_extents(source, name, codes.shape,
                    codes.shape.size() == 4 && codes.shape[3] == half && codes.shape[1] % part.step == 0,
                    "codes of all experts, [experts, out, in / 32, 16]");
    const std::vector<std::size_t> expected{codes.shape[0], codes.shape[1], codes.shape[2]};
    require_extents(source, part.stored + "_scales", scales.shape, scales.shape == expected,
                    "a scale for each block, " + shape_to_string(expected));
    if (part.expert >= codes.shape[0]) return std::nullopt;
    const std::size_t out = codes.shape[1] / part.step, groups = codes.shape[2];
    owned_tensor made{{.name = {}, .type = dtype::mxfp4, .shape = {out, groups * 32}, .bytes = {}},
                      std::vector<std::byte>(out * groups * size)};
    std::byte* to = made.bytes.data();
    for (std::size_t r = 0; r < out; ++r) {
        const std::size_t row = (part.expert * codes.shape[1] + part.first + r * part.step) * groups;
        for (std::size_t g = row; g < row + groups; ++g, to += size) {
            write_mxfp4(scales.bytes[g], codes.bytes.data() + g * half, to);
        }
    }
    return made;
}

}}}}  // namespace earlyout::EARLYOUT_ABI::io::detail

#endif
