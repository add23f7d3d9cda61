// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_GROUP_TILE_HPP
#define EARLYOUT_KERNELS_GROUP_TILE_HPP

#include <earlyout/kernels/byte_dot.hpp>
#include <earlyout/kernels/group_chunk.hpp>
#include <earlyout/kernels/multiply.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Adds one span's exact sums to a token's: sum += exact (scale token_scale) + minimum token_minimum.
/// @param exact, sum [Parts]
template <class Arch, bool HasMinimum, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void add_span(const int_batch<Arch>* exact, const float_batch<Arch> (&scale)[Parts],
                                     const float_batch<Arch> (&minimum)[Parts], float token_scale, float token_minimum,
                                     float_batch<Arch>* sum) noexcept {
    using batch = float_batch<Arch>;
    EARLYOUT_UNROLL(16)
    for (std::size_t p = 0; p < Parts; ++p) {
        sum[p] = multiply_add<Arch>(xsimd::to_float(exact[p]), scale[p] * batch(token_scale), sum[p]);
        if constexpr (HasMinimum) sum[p] = multiply_add<Arch>(minimum[p], batch(token_minimum), sum[p]);
    }
}

/// What a format's products depend on beside its codes and scales.
template <class Format>
struct group_traits {
    static constexpr std::size_t spans = group_size / Format::layout.span;  ///< of a group
    static constexpr int sign = Format::layout.offset;                      ///< of the minimum
};

/// The shape of a tile of several tokens.
template <class Arch>
struct group_tile {
    static constexpr arch::group_tile_shape shape = arch::shape_of_group_tile(sum_registers<Arch>, arch::best<Arch>{});
    static constexpr std::size_t parts = shape.parts;
    static constexpr std::size_t rows = parts * lanes<Arch>;
    static constexpr std::size_t tokens = shape.tokens;
};

/// The sums of a tile's tokens and rows: in registers from the first group to the last, or read and written for each
/// span.
template <class Arch, std::size_t Tokens>
class tile_sums {
public:
    static constexpr std::size_t parts = group_tile<Arch>::parts;

    /// @param sums  [tokens][32 rows], the tile's first row
    /// @param begin they are zero, whatever is there
    EARLYOUT_ALWAYS_INLINE tile_sums(float* sums, bool begin) noexcept : sums_(sums) {
        EARLYOUT_UNROLL(16)
        for (std::size_t t = 0; t < Tokens; ++t) {
            if constexpr (keeps) {
                if (begin) {
                    EARLYOUT_UNROLL(16)
                    for (auto& part : kept_[t]) part = batch(0.0f);
                } else {
                    load(t, kept_[t]);
                }
            } else if (begin) {
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < parts; ++p) batch(0.0f).store_aligned(at(t, p));
            }
        }
    }
    /// Calls add(sums) with those of token number `t`.
    template <class Add>
    EARLYOUT_ALWAYS_INLINE void update(std::size_t t, Add add) noexcept {
        if constexpr (keeps) {
            add(kept_[t]);
        } else {
            batch read[parts];
            load(t, read);
            add(read);
            store(t, read);
        }
    }
    /// Stores the sums that registers hold.
    EARLYOUT_ALWAYS_INLINE void finish() noexcept {
        if constexpr (keeps) {
            EARLYOUT_UNROLL(16)
            for (std::size_t t = 0; t < Tokens; ++t) store(t, kept_[t]);
        }
    }

private:
    using batch = float_batch<Arch>;
    static constexpr bool keeps = group_tile<Arch>::shape.keeps_sums;

    [[nodiscard]] EARLYOUT_ALWAYS_INLINE float* at(std::size_t t, std::size_t p) const noexcept {
        return sums_ + t * panel_rows + p * lanes<Arch>;
    }
    EARLYOUT_ALWAYS_INLINE void load(std::size_t t, batch (&to)[parts]) const noexcept {
        EARLYOUT_UNROLL(16)
        for (std::size_t p = 0; p < parts; ++p) to[p] = batch::load_aligned(at(t, p));
    }
    EARLYOUT_ALWAYS_INLINE void store(std::size_t t, const batch (&from)[parts]) const noexcept {
        EARLYOUT_UNROLL(16)
        for (std::size_t p = 0; p < parts; ++p) from[p].store_aligned(at(t, p));
    }

    float* sums_;
    batch kept_[keeps ? Tokens : 1][parts];
};

/// Adds `groups` groups of a chunk to the sums of `Tokens` tokens and a tile's rows.
/// @param x    the first of those groups in the first token's row
/// @param row  first row of the tile in the panel
/// @param sums [tokens][32 rows]; not read if `begin`
/// @param zero code_zero of the format
template <class Arch, std::size_t Tokens, std::size_t Spans, int Sign, code_bytes Bytes>
inline void multiply_chunk_tile(const group_chunk& chunk, std::size_t row, std::size_t groups, int zero,
                                look_ahead ahead, const quantized_view& x, bool begin, float* sums) noexcept {
    using batch = float_batch<Arch>;
    using ints = int_batch<Arch>;
    constexpr std::size_t parts = group_tile<Arch>::parts, fours = group_size / 4 / Spans, w = lanes<Arch>;
    tile_sums<Arch, Tokens> total(sums + row, begin);
    const std::uint8_t* codes = chunk.codes + row * 4;
    for (std::size_t g = 0; g < groups; ++g, codes += chunk.stride) {
        const std::int8_t* const values = x.codes + g * group_size;
        EARLYOUT_UNROLL(2)
        for (std::size_t s = 0; s < Spans; ++s) {
            std::int32_t token_sums[Tokens];
            ints exact[Tokens][parts];
            token_values<Arch> held[Tokens];
            EARLYOUT_UNROLL(16)
            for (std::size_t t = 0; t < Tokens; ++t) {
                const std::int32_t* const halves = x.sums + 2 * (t * x.groups + g);
                token_sums[t] = Spans == 2 ? halves[s] : halves[0] + halves[1];
                EARLYOUT_UNROLL(16)
                for (ints& part : exact[t]) part = ints(-zero * token_sums[t]);
            }
            EARLYOUT_UNROLL(16)
            for (std::size_t four = s * fours; four < (s + 1) * fours; ++four) {
                if (four % 4 == 0) {
                    EARLYOUT_UNROLL(16)
                    for (std::size_t t = 0; t < Tokens; ++t)
                        held[t] = token_values<Arch>(values + t * x.groups * group_size + 4 * four);
                }
                platform::keep_load_order();
                ahead.line(g * (group_size / 4) + four);
                const auto* const words = reinterpret_cast<const std::int32_t*>(codes + four * panel_rows * 4);
                ints column[parts];
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < parts; ++p) column[p] = ints::load_unaligned(words + p * w);
                EARLYOUT_UNROLL(16)
                for (std::size_t t = 0; t < Tokens; ++t) {
                    const auto value = held[t].four(four % 4);
                    EARLYOUT_UNROLL(16)
                    for (std::size_t p = 0; p < parts; ++p) {
                        exact[t][p] = byte_dot<Arch, Bytes>(column[p], value, exact[t][p]);
                    }
                }
            }
            batch scale[parts], minimum[parts];
            EARLYOUT_UNROLL(16)
            for (std::size_t p = 0; p < parts; ++p) {
                const std::size_t at = (g * Spans + s) * panel_rows + row + p * w;
                scale[p] = batch::load_aligned(chunk.scales + at);
                if constexpr (Sign != 0) minimum[p] = batch::load_aligned(chunk.minimums + at);
            }
            EARLYOUT_UNROLL(16)
            for (std::size_t t = 0; t < Tokens; ++t) {
                const float token_scale = x.scales[t * x.groups + g];
                total.update(t, [&](batch(&sum)[parts]) EARLYOUT_ALWAYS_INLINE_LAMBDA {
                    add_span<Arch, Sign != 0>(exact[t], scale, minimum, token_scale,
                                              token_scale * static_cast<float>(Sign * token_sums[t]), sum);
                });
            }
        }
    }
    total.finish();
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
