// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_I8MM_HPP
#define EARLYOUT_KERNELS_ARCH_I8MM_HPP

#include <earlyout/kernels/arch/neon.hpp>

#include <concepts>

/// @file Products of unsigned with signed bytes: of four, and of two rows of eight with two columns, beside NEON
/// (FEAT_I8MM); xsimd has no tag for them.

#if defined(__aarch64__) && defined(__ARM_FEATURE_MATMUL_INT8)

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels::arch {

/// `Arch` with products of unsigned with signed bytes, and of matrices of them.
template <class Arch>
struct i8mm : Arch {};

template <std::derived_from<xsimd::neon64> Arch>
struct extension<3, Arch> {
    using tag = i8mm<Arch>;
};

template <class Base>
EARLYOUT_ALWAYS_INLINE neon_values hold_values(const std::int8_t* values, requires_arch<i8mm<Base>>) noexcept {
    return {vld1q_s8(values)};
}

template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE neon_four four_values(const neon_values& values, std::size_t four,
                                             requires_arch<i8mm<Base>>) noexcept {
    return {values.bytes, four};
}

template <class Arch, class B, class Base>
int_batch<Arch> byte_dot_signed(const int_batch<Arch>&, const B&, const int_batch<Arch>&,
                                requires_arch<i8mm<Base>>) noexcept = delete;

template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<i8mm<Base>>) noexcept {
    return int_batch<Arch>(vusdotq_s32(sum, vreinterpretq_u8_s32(a), vreinterpretq_s8_s32(b)));
}

template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const neon_four& b,
                                                const int_batch<Arch>& sum, requires_arch<i8mm<Base>>) noexcept {
    return int_batch<Arch>(with_element(b.four, [&](auto four) EARLYOUT_ALWAYS_INLINE_LAMBDA {
        return vusdotq_laneq_s32(sum, vreinterpretq_u8_s32(a), b.bytes, decltype(four)::value);
    }));
}

template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE void join_fours(const int_batch<Arch>& four, const int_batch<Arch>& next,
                                       int_batch<Arch> (&eights)[2], requires_arch<i8mm<Base>>) noexcept {
    eights[0] = int_batch<Arch>(vzip1q_s32(four, next));
    eights[1] = int_batch<Arch>(vzip2q_s32(four, next));
}

template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE void load_two_tokens(const std::int8_t* first, const std::int8_t* second,
                                            int_batch<Arch> (&eights)[2], requires_arch<i8mm<Base>>) noexcept {
    const int64x2_t x = vreinterpretq_s64_s8(vld1q_s8(first)), y = vreinterpretq_s64_s8(vld1q_s8(second));
    eights[0] = int_batch<Arch>(vreinterpretq_s32_s64(vzip1q_s64(x, y)));
    eights[1] = int_batch<Arch>(vreinterpretq_s32_s64(vzip2q_s64(x, y)));
}

template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> alternate(std::int32_t first, std::int32_t second,
                                                 requires_arch<i8mm<Base>>) noexcept {
    const int32x2_t both = vset_lane_s32(second, vdup_n_s32(first), 1);
    return int_batch<Arch>(vcombine_s32(both, both));
}

template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> multiply_eights(const int_batch<Arch>& rows, const int_batch<Arch>& tokens,
                                                       const int_batch<Arch>& sum, requires_arch<i8mm<Base>>) noexcept {
    return int_batch<Arch>(vusmmlaq_s32(sum, vreinterpretq_u8_s32(rows), vreinterpretq_s8_s32(tokens)));
}

template <class Arch, class Base>
EARLYOUT_ALWAYS_INLINE void separate_tokens(const int_batch<Arch>& lower_rows, const int_batch<Arch>& upper_rows,
                                            int_batch<Arch> (&tokens)[2], requires_arch<i8mm<Base>>) noexcept {
    tokens[0] = int_batch<Arch>(vuzp1q_s32(lower_rows, upper_rows));
    tokens[1] = int_batch<Arch>(vuzp2q_s32(lower_rows, upper_rows));
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
#endif
