// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_DTYPE_HPP
#define EARLYOUT_CORE_DTYPE_HPP

#include <earlyout/core/config.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace earlyout::inline EARLYOUT_ABI {

/// Element type of a stored tensor.
enum class dtype : std::uint8_t { f32, f16, bf16 };

/// Bytes of one element.
[[nodiscard]] constexpr std::size_t size_of(dtype type) noexcept { return type == dtype::f32 ? 4 : 2; }

/// Name as safetensors spells it: "F32", "F16", "BF16".
[[nodiscard]] constexpr const char* to_string(dtype type) noexcept {
    return type == dtype::f32 ? "F32" : type == dtype::f16 ? "F16" : "BF16";
}

/// bfloat16 bits to float: the upper half of the same number, exact.
[[nodiscard]] constexpr float bf16_to_float(std::uint16_t bits) noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// IEEE binary16 bits to float, exact (subnormals, infinities and NaN included).
[[nodiscard]] constexpr float f16_to_float(std::uint16_t bits) noexcept {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
    const std::uint32_t exponent = (bits >> 10) & 0x1fu;
    const std::uint32_t fraction = bits & 0x3ffu;
    if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
    if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
}

}  // namespace earlyout::inline EARLYOUT_ABI

#endif
