// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_DOTPROD_HPP
#define EARLYOUT_KERNELS_ARCH_DOTPROD_HPP

#include <earlyout/kernels/arch/neon.hpp>

#include <concepts>

/// @file Products of four signed bytes in one instruction, beside NEON (FEAT_DotProd); xsimd has no tag for them.

#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels::arch {

/// `Arch` with products of four bytes.
template <class Arch>
struct dotprod : Arch {};

template <std::derived_from<xsimd::neon64> Arch>
struct extension<2, Arch> {
    using tag = dotprod<Arch>;
};

template <class Base>
EARLYOUT_ALWAYS_INLINE neon_values hold_values(const std::int8_t* values, requires_arch<dotprod<Base>>) noexcept {
    return {vld1q_s8(values)};
}

template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE neon_four four_values(const neon_values& values, std::size_t four,
                                             requires_arch<dotprod<Base>>) noexcept {
    return {values.bytes, four};
}

template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot_signed(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                       const int_batch<Arch>& sum,
                                                       requires_arch<dotprod<Base>>) noexcept {
    return int_batch<Arch>(vdotq_s32(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)));
}

template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot_signed(const int_batch<Arch>& a, const neon_four& b,
                                                       const int_batch<Arch>& sum,
                                                       requires_arch<dotprod<Base>>) noexcept {
    return int_batch<Arch>(with_element(b.four, [&](auto four) EARLYOUT_ALWAYS_INLINE_LAMBDA {
        return vdotq_laneq_s32(sum, vreinterpretq_s8_s32(a), b.bytes, decltype(four)::value);
    }));
}

/// Products less 128 times the bytes of `b`, and twice 64 times those.
template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<dotprod<Base>>) noexcept {
    const int8x16_t y = vreinterpretq_s8_s32(b), half = vdupq_n_s8(64);
    const int32x4_t rest = vdotq_s32(vdotq_s32(sum, half, y), half, y);
    return int_batch<Arch>(vdotq_s32(rest, veorq_s8(vreinterpretq_s8_s32(a), vdupq_n_s8(-128)), y));
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
#endif
