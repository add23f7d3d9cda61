// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_NEON_HPP
#define EARLYOUT_KERNELS_ARCH_NEON_HPP

#include <earlyout/kernels/arch/generic.hpp>

#include <cstring>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels::arch {

constexpr std::size_t vector_registers(requires_arch<xsimd::neon64>) noexcept { return 32; }

/// Half a panel and four tokens: with their sums in registers too, either would be half as much, and loads and scales
/// would take longer than products.
constexpr group_tile_shape shape_of_group_tile(std::size_t, requires_arch<xsimd::neon64>) noexcept {
    return {4, 4, false};
}

#if defined(__aarch64__)

template <class Arch, class Op>
EARLYOUT_ALWAYS_INLINE float fold_lanes(const float_batch<Arch>& x, Op op, requires_arch<xsimd::neon64>) noexcept {
    using batch = float_batch<Arch>;
    const float32x4_t all = x;
    const batch pair = op(x, batch(vextq_f32(all, all, 2)));
    return vgetq_lane_f32(op(pair, batch(vdupq_laneq_f32(pair, 1))), 0);
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE word_batch<Arch> load_halves(const std::uint16_t* from, requires_arch<xsimd::neon64>) noexcept {
    return word_batch<Arch>(vmovl_u16(vld1_u16(from)));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE float_batch<Arch> load_bf16(const std::uint16_t* from, requires_arch<xsimd::neon64>) noexcept {
    return float_batch<Arch>(vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(from), 16)));
}

/// Every AArch64 processor converts binary16; computing with it is an extension, which no kernel uses.
template <class Arch>
EARLYOUT_ALWAYS_INLINE float_batch<Arch> load_f16(const std::uint16_t* from, requires_arch<xsimd::neon64>) noexcept {
    return float_batch<Arch>(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from))));
}

inline std::size_t encode_f16(const float* from, std::size_t n, std::uint16_t* to,
                              requires_arch<xsimd::neon64>) noexcept {
    const float32x4_t most = vdupq_n_f32(65504.0f), least = vdupq_n_f32(-65504.0f);
    std::size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t within = vminq_f32(vmaxq_f32(vld1q_f32(from + i), least), most);
        vst1_u16(to + i, vreinterpret_u16_f16(vcvt_f16_f32(within)));
    }
    return i;
}

/// Two products of each half of a register in 16 bits, then pairs of those.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot_signed(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                       const int_batch<Arch>& sum,
                                                       requires_arch<xsimd::neon64>) noexcept {
    const int8x16_t x = vreinterpretq_s8_s32(a), y = vreinterpretq_s8_s32(b);
    const int16x8_t lower = vmull_s8(vget_low_s8(x), vget_low_s8(y)), upper = vmull_high_s8(x, y);
    return int_batch<Arch>(vpadalq_s16(sum, vpaddq_s16(lower, upper)));
}

/// Products less 128 times the bytes of `b`, and that: two products may exceed 16 bits.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<xsimd::neon64>) noexcept {
    const int8x16_t x = veorq_s8(vreinterpretq_s8_s32(a), vdupq_n_s8(-128)), y = vreinterpretq_s8_s32(b);
    const int32x4_t lower = vpaddlq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(y)));
    const int32x4_t upper = vpaddlq_s16(vmull_high_s8(x, y));
    const int32x4_t rest = vshlq_n_s32(vpaddlq_s16(vpaddlq_s8(y)), 7);
    return int_batch<Arch>(vaddq_s32(vaddq_s32(sum, vpaddq_s32(lower, upper)), rest));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> pair_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<xsimd::neon64>) noexcept {
    const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
    const int32x4_t lower = vmull_s16(vget_low_s16(x), vget_low_s16(y)), upper = vmull_high_s16(x, y);
    return int_batch<Arch>(vaddq_s32(sum, vpaddq_s32(lower, upper)));
}

/// The lower and the upper 16-bit halves of a register's words.
struct neon_pairs {
    int16x4_t lower, upper;
};

template <class Arch>
EARLYOUT_ALWAYS_INLINE neon_pairs split_pairs(const int_batch<Arch>& pairs, requires_arch<xsimd::neon64>) noexcept {
    return {vmovn_s32(pairs), vshrn_n_s32(pairs, 16)};
}

/// With halves apart, sums of products need no further addition.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> pair_dot(const neon_pairs& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum, requires_arch<xsimd::neon64>) noexcept {
    const int16x4_t pair = vget_low_s16(vreinterpretq_s16_s32(b));
    return int_batch<Arch>(vmlal_lane_s16(vmlal_lane_s16(sum, a.lower, pair, 0), a.upper, pair, 1));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_byte_pairs(const std::int8_t* from, requires_arch<xsimd::neon64>) noexcept {
    return int_batch<Arch>(vreinterpretq_s32_s16(vmovl_s8(vld1_s8(from))));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_bytes(const std::uint8_t* from, requires_arch<xsimd::neon64>) noexcept {
    std::uint32_t four;
    std::memcpy(&four, from, sizeof four);
    const uint16x8_t halves = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
    return int_batch<Arch>(vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(halves))));
}

/// The bytes of several registers' lanes as integers modulo 256: 16 at a time instead of four.
template <std::size_t Registers>
struct neon_bytes {
    uint8x16_t held[Registers];

    neon_bytes() noexcept = default;
    EARLYOUT_ALWAYS_INLINE explicit neon_bytes(int byte) noexcept {
        for (uint8x16_t& each : held) each = vdupq_n_u8(static_cast<std::uint8_t>(byte));
    }
    /// Returns op(register, register of `other`) for each.
    template <class Op>
    EARLYOUT_ALWAYS_INLINE neon_bytes with(const neon_bytes& other, Op op) const noexcept {
        neon_bytes made;
        for (std::size_t i = 0; i < Registers; ++i) made.held[i] = op(held[i], other.held[i]);
        return made;
    }
    EARLYOUT_ALWAYS_INLINE friend neon_bytes operator&(const neon_bytes& x, const neon_bytes& y) noexcept {
        return x.with(y, [](uint8x16_t a, uint8x16_t b) { return vandq_u8(a, b); });
    }
    EARLYOUT_ALWAYS_INLINE friend neon_bytes operator|(const neon_bytes& x, const neon_bytes& y) noexcept {
        return x.with(y, [](uint8x16_t a, uint8x16_t b) { return vorrq_u8(a, b); });
    }
    EARLYOUT_ALWAYS_INLINE friend neon_bytes operator^(const neon_bytes& x, const neon_bytes& y) noexcept {
        return x.with(y, [](uint8x16_t a, uint8x16_t b) { return veorq_u8(a, b); });
    }
    EARLYOUT_ALWAYS_INLINE friend neon_bytes operator-(const neon_bytes& x, const neon_bytes& y) noexcept {
        return x.with(y, [](uint8x16_t a, uint8x16_t b) { return vsubq_u8(a, b); });
    }
    EARLYOUT_ALWAYS_INLINE friend neon_bytes operator>>(const neon_bytes& x, int bits) noexcept {
        return x.with(x, [&](uint8x16_t a, uint8x16_t) { return a >> static_cast<std::uint8_t>(bits); });
    }
    EARLYOUT_ALWAYS_INLINE friend neon_bytes operator<<(const neon_bytes& x, int bits) noexcept {
        return x.with(x, [&](uint8x16_t a, uint8x16_t) { return a << static_cast<std::uint8_t>(bits); });
    }

    /// floats = the bytes as signed numbers.
    template <class Arch>
    EARLYOUT_ALWAYS_INLINE void to_floats(float_batch<Arch> (&floats)[4 * Registers]) const noexcept {
        for (std::size_t i = 0; i < Registers; ++i) {
            const int8x16_t bytes = vreinterpretq_s8_u8(held[i]);
            const int16x8_t lower = vmovl_s8(vget_low_s8(bytes)), upper = vmovl_high_s8(bytes);
            floats[4 * i] = float_batch<Arch>(vcvtq_f32_s32(vmovl_s16(vget_low_s16(lower))));
            floats[4 * i + 1] = float_batch<Arch>(vcvtq_f32_s32(vmovl_high_s16(lower)));
            floats[4 * i + 2] = float_batch<Arch>(vcvtq_f32_s32(vmovl_s16(vget_low_s16(upper))));
            floats[4 * i + 3] = float_batch<Arch>(vcvtq_f32_s32(vmovl_high_s16(upper)));
        }
    }
};

template <class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE neon_bytes<Parts / 4> load_byte_integers(const std::uint8_t* from,
                                                                requires_arch<xsimd::neon64>) noexcept {
    neon_bytes<Parts / 4> made;
    for (std::size_t i = 0; i < Parts / 4; ++i) made.held[i] = vld1q_u8(from + 16 * i);
    return made;
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> look_up(const std::uint8_t* table, const int_batch<Arch>& bytes,
                                               requires_arch<xsimd::neon64>) noexcept {
    return int_batch<Arch>(vreinterpretq_s32_u8(vqtbl1q_u8(vld1q_u8(table), vreinterpretq_u8_s32(bytes))));
}

/// Shifts bytes, not words: what a shift pushes out of a byte need not be masked.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> move_field(const int_batch<Arch>& held, int from, int to, int width,
                                                  requires_arch<xsimd::neon64>) noexcept {
    const auto bits = static_cast<std::uint8_t>(((1 << width) - 1) << to);
    uint8x16_t moved = vreinterpretq_u8_s32(held);
    if (from > to) moved = moved >> static_cast<std::uint8_t>(from - to);
    if (from < to) moved = moved << static_cast<std::uint8_t>(to - from);
    const bool alone = from > to ? to == 0 && from + width == 8 : from < to && from == 0 && to + width == 8;
    return int_batch<Arch>(vreinterpretq_s32_u8(alone ? moved : vandq_u8(moved, vdupq_n_u8(bits))));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> insert_field(const int_batch<Arch>& into, const int_batch<Arch>& held, int from,
                                                    int to, int width, requires_arch<xsimd::neon64>) noexcept {
    const auto bits = static_cast<std::uint8_t>(((1 << width) - 1) << to);
    uint8x16_t moved = vreinterpretq_u8_s32(held);
    if (from > to) moved = moved >> static_cast<std::uint8_t>(from - to);
    if (from < to) moved = moved << static_cast<std::uint8_t>(to - from);
    return int_batch<Arch>(vreinterpretq_s32_u8(vbslq_u8(vdupq_n_u8(bits), moved, vreinterpretq_u8_s32(into))));
}

template <class Arch>
EARLYOUT_ALWAYS_INLINE void store_bytes(const int_batch<Arch> (&from)[8], std::int8_t* to, std::int32_t* sums,
                                        requires_arch<xsimd::neon64>) noexcept {
    const auto narrow = [&](std::size_t p) EARLYOUT_ALWAYS_INLINE_LAMBDA {
        return vuzp1q_s16(vreinterpretq_s16_s32(from[p]), vreinterpretq_s16_s32(from[p + 1]));
    };
    for (std::size_t half = 0; half < 2; ++half) {
        const int8x16_t bytes =
            vuzp1q_s8(vreinterpretq_s8_s16(narrow(4 * half)), vreinterpretq_s8_s16(narrow(4 * half + 2)));
        vst1q_s8(to + 16 * half, bytes);
        sums[half] = vaddlvq_s8(bytes);
    }
}

/// 16 values of a token, and a four of them as the operand of a product with an element.
struct neon_values {
    int8x16_t bytes;
};
struct neon_four {
    int8x16_t bytes;
    std::size_t four;
};

/// Calls op with the number of a four as a constant, which the instructions need.
template <class Op>
EARLYOUT_ALWAYS_INLINE int32x4_t with_element(std::size_t four, Op op) noexcept {
    switch (four) {
        case 0: return op(std::integral_constant<int, 0>{});
        case 1: return op(std::integral_constant<int, 1>{});
        case 2: return op(std::integral_constant<int, 2>{});
        default: return op(std::integral_constant<int, 3>{});
    }
}

#endif

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
