// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_BYTE_DOT_HPP
#define EARLYOUT_KERNELS_BYTE_DOT_HPP

#include <earlyout/kernels/simd.hpp>

#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Returns sum + the products of four unsigned bytes of `a` with four signed bytes of `b`, in each 32-bit lane: the
/// same integers with every instruction set.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum) noexcept {
    return arch::byte_dot(a, b, sum, arch::best<Arch>{});
}

/// True if codes up to 127 have a faster product of their own.
template <class Arch>
inline constexpr bool has_byte_dot_small =
    requires(const int_batch<Arch>& a) { arch::byte_dot_small(a, a, a, arch::best<Arch>{}); };

/// The same where all bytes of `a` are at most 127, if `Small`.
template <class Arch, bool Small>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum) noexcept {
    if constexpr (Small && has_byte_dot_small<Arch>) {
        return arch::byte_dot_small(a, b, sum, arch::best<Arch>{});
    } else {
        return arch::byte_dot(a, b, sum, arch::best<Arch>{});
    }
}

/// Returns sum + the products of the two signed 16-bit halves of `a` with those of `b`, in each 32-bit lane.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> pair_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum) noexcept {
    return arch::pair_dot(a, b, sum, arch::best<Arch>{});
}

/// Loads two signed bytes per 32-bit lane as 16-bit halves, in order.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_byte_pairs(const std::int8_t* from) noexcept {
    return arch::load_byte_pairs<Arch>(from, arch::best<Arch>{});
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
