// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_HALF_HPP
#define EARLYOUT_KERNELS_HALF_HPP

#include <earlyout/kernels/formats.hpp>
#include <earlyout/kernels/simd.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Converts 16-bit floats by integer operations, exact for every finite one: the exponent's bias is corrected by a
/// multiplication, which also normalises subnormals.
template <class Arch>
EARLYOUT_ALWAYS_INLINE float_batch<Arch> widen_f16(const word_batch<Arch>& bits) noexcept {
    using words = word_batch<Arch>;
    const words sign = (bits & words(0x8000u)) << 16;
    const words magnitude = (bits & words(0x7fffu)) << 13;
    const auto scaled = std::bit_cast<float_batch<Arch>>(magnitude) * float_batch<Arch>(0x1p112f);
    return std::bit_cast<float_batch<Arch>>(std::bit_cast<words>(scaled) | sign);
}

/// Loads one register's worth of 16-bit values as 32-bit ones, in order. `from` is aligned to half a register.
template <class Arch>
EARLYOUT_ALWAYS_INLINE word_batch<Arch> load_halves(const std::uint16_t* from) noexcept {
    return arch::load_halves<Arch>(from, arch::best<Arch>{});
}

/// to = the `Parts` registers of floats that begin at `from`. `from` is aligned to a register; all finite.
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_f16(const std::uint16_t* from, float_batch<Arch> (&to)[Parts]) noexcept {
    constexpr std::size_t w = lanes<Arch>;
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts; ++p, from += w) {
        if constexpr (requires { arch::load_f16<Arch>(from, arch::best<Arch>{}); }) {
            to[p] = arch::load_f16<Arch>(from, arch::best<Arch>{});
        } else {
            to[p] = widen_f16<Arch>(load_halves<Arch>(from));
        }
    }
}

/// to = the `Parts` registers of floats whose elements begin at `from`, in order. `from` is aligned to a register.
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_contiguous(f32, const float* from, float_batch<Arch> (&to)[Parts]) noexcept {
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts; ++p) to[p] = float_batch<Arch>::load_aligned(from + p * lanes<Arch>);
}
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_contiguous(f16, const std::uint16_t* from, float_batch<Arch> (&to)[Parts]) noexcept {
    load_f16<Arch>(from, to);
}
template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_contiguous(bf16, const std::uint16_t* from, float_batch<Arch> (&to)[Parts]) noexcept {
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts; ++p) {
        const std::uint16_t* const at = from + p * lanes<Arch>;
        if constexpr (requires { arch::load_bf16<Arch>(at, arch::best<Arch>{}); }) {
            to[p] = arch::load_bf16<Arch>(at, arch::best<Arch>{});
        } else {
            to[p] = std::bit_cast<float_batch<Arch>>(load_halves<Arch>(at) << 16);
        }
    }
}

/// to[i] = Format::encode(from[i]), i in [0, n).
template <element_format Format>
inline void encode(Format, const float* from, std::size_t n, typename Format::element* to) noexcept {
    std::size_t i = 0;
    if constexpr (std::is_same_v<Format, f16>) i = arch::encode_f16(from, n, to, arch::best<default_arch>{});
    for (; i < n; ++i) to[i] = Format::encode(from[i]);
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
