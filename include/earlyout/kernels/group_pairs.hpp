// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_GROUP_PAIRS_HPP
#define EARLYOUT_KERNELS_GROUP_PAIRS_HPP

#include <earlyout/kernels/group_tile.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

/// @file A tile of several tokens where an instruction multiplies two rows with two tokens (has_multiply_eights).

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// multiply_chunk_tile() for chunks of eights. Tokens are multiplied in pairs; the last of an odd number is its own
/// partner.
template <class Arch, std::size_t Tokens, std::size_t Spans, int Sign>
inline void multiply_chunk_pairs(const group_chunk& chunk, std::size_t row, std::size_t groups, int zero,
                                 look_ahead ahead, const quantized_view& x, bool begin, float* sums) noexcept {
    using batch = float_batch<Arch>;
    using ints = int_batch<Arch>;
    using tag = arch::best<Arch>;
    constexpr std::size_t parts = group_tile<Arch>::parts, pairs = (Tokens + 1) / 2, w = lanes<Arch>;
    constexpr std::size_t inputs = group_size / Spans;
    tile_sums<Arch, Tokens> total(sums + row, begin);
    const std::uint8_t* codes = chunk.codes + row * 8;
    for (std::size_t g = 0; g < groups; ++g, codes += chunk.stride) {
        const std::int8_t* const values = x.codes + g * group_size;
        EARLYOUT_UNROLL(2)
        for (std::size_t s = 0; s < Spans; ++s) {
            std::int32_t token_sums[Tokens];
            EARLYOUT_UNROLL(16)
            for (std::size_t t = 0; t < Tokens; ++t) {
                const std::int32_t* const halves = x.sums + 2 * (t * x.groups + g);
                token_sums[t] = Spans == 2 ? halves[s] : halves[0] + halves[1];
            }
            ints exact[pairs][2 * parts];
            EARLYOUT_UNROLL(16)
            for (std::size_t t = 0; t < Tokens; t += 2) {
                const std::int32_t partner = token_sums[std::min(t + 1, Tokens - 1)];
                const ints less = arch::alternate<Arch>(-zero * token_sums[t], -zero * partner, tag{});
                EARLYOUT_UNROLL(16)
                for (ints& part : exact[t / 2]) part = less;
            }
            EARLYOUT_UNROLL(16)
            for (std::size_t k = s * inputs; k < (s + 1) * inputs; k += 16) {
                ints held[pairs][2];
                EARLYOUT_UNROLL(16)
                for (std::size_t t = 0; t < Tokens; t += 2) {
                    const std::int8_t* const first = values + t * x.groups * group_size + k;
                    const std::int8_t* const second = t + 1 < Tokens ? first + x.groups * group_size : first;
                    arch::load_two_tokens<Arch>(first, second, held[t / 2], tag{});
                }
                EARLYOUT_UNROLL(2)
                for (std::size_t half = 0; half < 2; ++half) {
                    platform::keep_load_order();
                    const std::size_t eight = k / 8 + half;
                    ahead.line(2 * (g * (group_size / 8) + eight));
                    const auto* const words = reinterpret_cast<const std::int32_t*>(codes + eight * panel_rows * 8);
                    ints column[2 * parts];
                    EARLYOUT_UNROLL(16)
                    for (std::size_t p = 0; p < 2 * parts; ++p) column[p] = ints::load_unaligned(words + p * w);
                    EARLYOUT_UNROLL(16)
                    for (std::size_t t = 0; t < pairs; ++t) {
                        EARLYOUT_UNROLL(16)
                        for (std::size_t p = 0; p < 2 * parts; ++p) {
                            exact[t][p] = arch::multiply_eights(column[p], held[t][half], exact[t][p], tag{});
                        }
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
                ints whole[parts];
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < parts; ++p) {
                    ints apart[2];
                    arch::separate_tokens(exact[t / 2][2 * p], exact[t / 2][2 * p + 1], apart, tag{});
                    whole[p] = apart[t % 2];
                }
                const float token_scale = x.scales[t * x.groups + g];
                total.update(t, [&](batch(&sum)[parts]) EARLYOUT_ALWAYS_INLINE_LAMBDA {
                    add_span<Arch, Sign != 0>(whole, scale, minimum, token_scale,
                                              token_scale * static_cast<float>(Sign * token_sums[t]), sum);
                });
            }
        }
    }
    total.finish();
}

/// Tiles of 1 .. group_tile<Arch>::tokens tokens, for chunks as chunk_memory unpacks them.
template <class Arch, std::size_t Spans, int Sign, code_bytes Bytes>
inline constexpr auto chunk_tiles = []<std::size_t... T>(std::index_sequence<T...>) {
    using tile = void (*)(const group_chunk&, std::size_t, std::size_t, int, look_ahead, const quantized_view&, bool,
                          float*) noexcept;
    if constexpr (has_multiply_eights<Arch>) {
        return std::array<tile, sizeof...(T)>{&multiply_chunk_pairs<Arch, T + 1, Spans, Sign>...};
    } else {
        return std::array<tile, sizeof...(T)>{&multiply_chunk_tile<Arch, T + 1, Spans, Sign, Bytes>...};
    }
}(std::make_index_sequence<group_tile<Arch>::tokens>{});

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
