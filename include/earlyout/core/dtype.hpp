// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_DTYPE_HPP
#define EARLYOUT_CORE_DTYPE_HPP

#include <earlyout/core/config.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Element type of a stored tensor. From q8_0 on they are llama.cpp's block types: weights/blocks.
enum class dtype : std::uint8_t {
    f32,
    f16,
    bf16,
    q8_0,
    q4_0,
    q4_1,
    q5_0,
    q5_1,
    q2_k,
    q3_k,
    q4_k,
    q5_k,
    q6_k,
    iq4_nl,
    iq4_xs,
    mxfp4
};

/// What is known of an element type without its decoder.
struct dtype_facts {
    dtype type;
    const char* name;      ///< as safetensors and GGUF spell it: "F32", "Q4_K"
    std::size_t elements;  ///< stored together: 1, or those of a block, which share scales
    std::size_t bytes;     ///< of that many elements
};

/// All element types, in the order of their values.
inline constexpr dtype_facts all_dtypes[] = {
    {dtype::f32, "F32", 1, 4},       {dtype::f16, "F16", 1, 2},         {dtype::bf16, "BF16", 1, 2},
    {dtype::q8_0, "Q8_0", 32, 34},   {dtype::q4_0, "Q4_0", 32, 18},     {dtype::q4_1, "Q4_1", 32, 20},
    {dtype::q5_0, "Q5_0", 32, 22},   {dtype::q5_1, "Q5_1", 32, 24},     {dtype::q2_k, "Q2_K", 256, 84},
    {dtype::q3_k, "Q3_K", 256, 110}, {dtype::q4_k, "Q4_K", 256, 144},   {dtype::q5_k, "Q5_K", 256, 176},
    {dtype::q6_k, "Q6_K", 256, 210}, {dtype::iq4_nl, "IQ4_NL", 32, 18}, {dtype::iq4_xs, "IQ4_XS", 256, 136},
    {dtype::mxfp4, "MXFP4", 32, 17}};

/// Returns the number of elements stored together: 1, or those of a block, which share scales.
[[nodiscard]] constexpr std::size_t block_elements(dtype type) noexcept {
    return all_dtypes[static_cast<std::size_t>(type)].elements;
}

/// Returns the bytes of one such group.
[[nodiscard]] constexpr std::size_t block_bytes(dtype type) noexcept {
    return all_dtypes[static_cast<std::size_t>(type)].bytes;
}

/// Returns the bytes of `elements` elements, which fill whole blocks.
[[nodiscard]] constexpr std::size_t bytes_of(dtype type, std::size_t elements) noexcept {
    return elements / block_elements(type) * block_bytes(type);
}

/// Returns the bytes of one element of a type that stores each separately: f32, f16, bf16.
[[nodiscard]] constexpr std::size_t size_of(dtype type) noexcept { return type == dtype::f32 ? 4 : 2; }

/// Returns the name as safetensors and GGUF spell it: "F32", "Q4_K".
[[nodiscard]] constexpr const char* to_string(dtype type) noexcept {
    return all_dtypes[static_cast<std::size_t>(type)].name;
}

/// Converts bfloat16 bits to float: the upper half of the same number, exact.
[[nodiscard]] constexpr float bf16_to_float(std::uint16_t bits) noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// Returns the bfloat16 nearest to a finite float, ties to even; it is finite too.
[[nodiscard]] constexpr std::uint16_t float_to_bf16(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return static_cast<std::uint16_t>((rounded & 0x7fffu) == 0x7f80u ? rounded - 1 : rounded);
}

/// Converts IEEE binary16 bits to float, exact (subnormals, infinities and NaN included). Branch-free.
[[nodiscard]] constexpr float f16_to_float(std::uint16_t bits) noexcept {
    const std::uint32_t magnitude = bits & 0x7fffu;
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
    const std::uint32_t rebias = magnitude < 0x7c00u ? 112u : 224u;  // infinity and NaN keep a full exponent
    const std::uint32_t normal = (magnitude << 13) + (rebias << 23);
    // The signed conversion is one instruction on every x86-64.
    const auto subnormal =
        std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f);
    return std::bit_cast<float>(sign | (magnitude < 0x0400u ? subnormal : normal));
}

/// Returns the binary16 nearest to a number, ties to even; values out of range become the largest finite one.
[[nodiscard]] constexpr std::uint16_t float_to_f16(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16 & 0x8000u;
    const std::uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude >= 0x477fe000u) return static_cast<std::uint16_t>(sign | 0x7bffu);  // 65504 and more
    if (magnitude < 0x38800000u) {  // subnormal: adding 1/2 leaves multiples of 2^-24 in the lowest bits, rounded
        const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
        return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
    }
    const std::uint32_t rounded = magnitude - (112u << 23) + 0x0fffu + (magnitude >> 13 & 1u);
    return static_cast<std::uint16_t>(sign | rounded >> 13);
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
