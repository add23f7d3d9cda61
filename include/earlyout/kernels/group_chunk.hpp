// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_GROUP_CHUNK_HPP
#define EARLYOUT_KERNELS_GROUP_CHUNK_HPP

#include <earlyout/kernels/half.hpp>
#include <earlyout/kernels/packing_groups.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Loads the scales of span number `span` of a panel's block for `Parts` registers of rows from row `row` on, and their
/// minimums times factor 1. Every product computes them here, so that they have the same bits in all.
template <class Format, class Arch, std::size_t Parts>
EARLYOUT_ALWAYS_INLINE void load_scales(const std::uint8_t* block, std::size_t span, std::size_t row,
                                        float_batch<Arch> (&scale)[Parts],
                                        float_batch<Arch> (&minimum)[Parts]) noexcept {
    constexpr block_layout layout = Format::layout;
    constexpr std::size_t w = lanes<Arch>;
    const auto* const factors = reinterpret_cast<const std::uint16_t*>(block) + row;
    if constexpr (layout.factor_count() > 0) load_f16<Arch>(factors, scale);
    if constexpr (layout.offset != 0) load_f16<Arch>(factors + panel_rows, minimum);
    if constexpr (layout.bytes != 0) {
        const std::uint8_t* const bytes = block + layout.factor_count() * panel_rows * 2 + row;
        using tag = arch::best<Arch>;
        if constexpr (!layout.is_exponent && requires { arch::load_byte_integers<Arch, Parts>(bytes, tag{}); }) {
            const auto byte = [&](std::size_t i) EARLYOUT_ALWAYS_INLINE_LAMBDA {
                return arch::load_byte_integers<Arch, Parts>(bytes + i * panel_rows, tag{});
            };
            float_batch<Arch> floats[Parts];
            Format::scale(span, byte).to_floats(floats);
            EARLYOUT_UNROLL(16)
            for (std::size_t p = 0; p < Parts; ++p) scale[p] *= floats[p];
            if constexpr (layout.offset != 0) {
                Format::minimum(span, byte).to_floats(floats);
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < Parts; ++p) minimum[p] *= floats[p];
            }
            return;
        }
        EARLYOUT_UNROLL(16)
        for (std::size_t p = 0; p < Parts; ++p) {
            const auto byte = [&](std::size_t i) EARLYOUT_ALWAYS_INLINE_LAMBDA {
                return arch::load_bytes<Arch>(bytes + i * panel_rows + p * w, tag{});
            };
            if constexpr (layout.is_exponent) {
                scale[p] = std::bit_cast<float_batch<Arch>>(Format::scale(span, byte)) * float_batch<Arch>(0.5f);
            } else {
                scale[p] *= xsimd::to_float(Format::scale(span, byte));
                if constexpr (layout.offset != 0) minimum[p] *= xsimd::to_float(Format::minimum(span, byte));
            }
        }
    }
}

/// Some groups of a panel in the form that products of several tokens read, whatever the format.
struct group_chunk {
    /// Of the first group, bytes as load_codes() has them: [8 fours][32 rows][4], or [4 eights][32 rows][8] where
    /// has_multiply_eights.
    const std::uint8_t* codes = nullptr;
    std::size_t stride = 0;           ///< bytes from one group's codes to the next
    const float* scales = nullptr;    ///< [spans][32 rows]
    const float* minimums = nullptr;  ///< [spans][32 rows], if the format has them
};

/// Room for a chunk of at most `Groups` groups.
template <class Arch, class Format, std::size_t Groups = 16>
class chunk_memory {
public:
    static constexpr std::size_t blocks = Groups / Format::layout.groups();
    static constexpr std::size_t groups = blocks * Format::layout.groups();
    /// Codes of 8 bits are read where they are, if in fours.
    static constexpr bool in_place = Format::bits == 8 && !has_multiply_eights<Arch>;

    /// Unpacks `count` blocks of a panel.
    [[nodiscard]] group_chunk unpack(const std::uint8_t* from, std::size_t count) noexcept {
        unpack_scales(from, count);
        using matrix = packed_matrix<Format>;
        if constexpr (in_place) {
            return {from + matrix::header_bytes, matrix::block_bytes, scales_, minimums_};
        } else {
            if constexpr (has_multiply_eights<Arch>) {
                unpack_eights(from, count);
            } else {
                unpack_codes(from, count, [](const int_batch<Arch>& codes) { return codes; });
            }
            return {codes_, group_codes, scales_, minimums_};
        }
    }
    /// The same with signed codes, without `zero`: what matrix units multiply.
    [[nodiscard]] group_chunk unpack_signed(const std::uint8_t* from, std::size_t count) noexcept {
        unpack_scales(from, count);
        // Adding what zero lacks to 128 and flipping the highest bit subtracts zero.
        const int_batch<Arch> missing(static_cast<std::int32_t>((128u - Format::zero) * 0x01010101u)),
            highest(static_cast<std::int32_t>(0x80808080u));
        constexpr bool are_signed = has_values<Format> && code_zero<Format, Arch> == 0;
        unpack_codes(from, count,
                     [&](const int_batch<Arch>& codes) { return are_signed ? codes : (codes + missing) ^ highest; });
        platform::write_all();
        return {codes_, group_codes, scales_, minimums_};
    }

private:
    static constexpr block_layout layout = Format::layout;
    static constexpr std::size_t parts = panel_rows / lanes<Arch>;
    static constexpr std::size_t group_codes = panel_rows * group_size;
    static constexpr std::size_t spans = groups * group_size / layout.span;

    void unpack_scales(const std::uint8_t* from, std::size_t count) noexcept {
        for (std::size_t b = 0; b < count; ++b, from += packed_matrix<Format>::block_bytes) {
            for (std::size_t s = 0; s < layout.spans(); ++s) {
                float_batch<Arch> scale[parts], minimum[parts];
                load_scales<Format, Arch>(from, s, 0, scale, minimum);
                const std::size_t at = (b * layout.spans() + s) * panel_rows;
                EARLYOUT_UNROLL(16)
                for (std::size_t p = 0; p < parts; ++p) {
                    scale[p].store_aligned(scales_ + at + p * lanes<Arch>);
                    if constexpr (layout.offset != 0) minimum[p].store_aligned(minimums_ + at + p * lanes<Arch>);
                }
            }
        }
    }
    /// The same bytes with two fours of a row side by side.
    void unpack_eights(const std::uint8_t* from, std::size_t count) noexcept {
        using matrix = packed_matrix<Format>;
        auto* to = reinterpret_cast<std::int32_t*>(codes_);
        for (std::size_t b = 0; b < count; ++b, from += matrix::block_bytes) {
            for (std::size_t g = 0; g < layout.groups(); ++g) {
                const std::uint8_t* const group = from + matrix::header_bytes + g * matrix::group_bytes;
                EARLYOUT_UNROLL(16)
                for (std::size_t four = 0; four < group_size / 4; four += 2, to += 2 * panel_rows) {
                    int_batch<Arch> codes[parts], next[parts];
                    load_codes<Format, Arch>(group, four, codes);
                    load_codes<Format, Arch>(group, four + 1, next);
                    EARLYOUT_UNROLL(16)
                    for (std::size_t p = 0; p < parts; ++p) {
                        int_batch<Arch> eights[2];
                        arch::join_fours(codes[p], next[p], eights, arch::best<Arch>{});
                        eights[0].store_aligned(to + 2 * p * lanes<Arch>);
                        eights[1].store_aligned(to + (2 * p + 1) * lanes<Arch>);
                    }
                }
            }
        }
    }
    template <class Convert>
    void unpack_codes(const std::uint8_t* from, std::size_t count, Convert convert) noexcept {
        using matrix = packed_matrix<Format>;
        auto* to = reinterpret_cast<std::int32_t*>(codes_);
        for (std::size_t b = 0; b < count; ++b, from += matrix::block_bytes) {
            for (std::size_t g = 0; g < layout.groups(); ++g) {
                const std::uint8_t* const group = from + matrix::header_bytes + g * matrix::group_bytes;
                EARLYOUT_UNROLL(16)
                for (std::size_t four = 0; four < group_size / 4; ++four, to += panel_rows) {
                    int_batch<Arch> codes[parts];
                    load_codes<Format, Arch>(group, four, codes);
                    EARLYOUT_UNROLL(16)
                    for (std::size_t p = 0; p < parts; ++p) convert(codes[p]).store_aligned(to + p * lanes<Arch>);
                }
            }
        }
    }

    alignas(64) std::uint8_t codes_[groups * group_codes];
    alignas(64) float scales_[spans * panel_rows];
    alignas(64) float minimums_[layout.offset != 0 ? spans * panel_rows : panel_rows];
};

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
