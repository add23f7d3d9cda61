// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_QUANTIZE_BLOCKS_HPP
#define EARLYOUT_KERNELS_QUANTIZE_BLOCKS_HPP

#include <earlyout/kernels/quantize.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

namespace detail {

inline void store_half(std::byte* to, float value) noexcept {
    const std::uint16_t bits = float_to_f16(value);
    std::memcpy(to, &bits, sizeof bits);
}

/// Returns the code whose value is nearest to x.
template <class Format>
[[nodiscard]] int nearest_code(float x) noexcept {
    if constexpr (has_values<Format>) {
        int best = 0;
        for (int code = 1; code < 16; ++code) {
            const auto away = [&](int c) {
                return std::abs(x - static_cast<float>(earlyout::detail::value_of<Format>(c)));
            };
            if (away(code) < away(best)) best = code;
        }
        return best;
    } else {
        constexpr float highest = static_cast<float>((1 << Format::bits) - 1);
        return static_cast<int>(nearest(std::clamp(x + static_cast<float>(Format::zero), 0.0f, highest)));
    }
}

/// Returns the scale, and the offset if the format has one, that put the extremes of a span's weights on codes.
template <class Format>
[[nodiscard]] earlyout::detail::span_scale fit_span(std::span<const float> weights) noexcept {
    const auto [least, most] = std::ranges::minmax(weights);
    if constexpr (Format::layout.offset != 0) {
        const float low = Format::layout.offset < 0 ? std::min(least, 0.0f) : least;
        return {(most - low) / static_cast<float>((1 << Format::bits) - 1), low};
    } else {
        // The extreme gets the code that is furthest from zero.
        const float extreme = -least > most ? least : most;
        int furthest = 0;
        for (int code = 0; code < 1 << Format::bits; ++code) {
            const int value = earlyout::detail::value_of<Format>(code);
            if (std::abs(value) > std::abs(furthest)) furthest = value;
        }
        return {extreme / static_cast<float>(furthest), 0.0f};
    }
}

/// Stores the spans' scales in a block of zeros: directly as binary16, or relative to the block's largest.
template <class Format>
void store_scales(std::span<const earlyout::detail::span_scale> spans, std::byte* block) noexcept {
    constexpr block_layout layout = Format::layout;
    if constexpr (layout.is_exponent) {
        const int exponent = spans[0].scale == 0.0f ? 0 : std::ilogb(std::abs(spans[0].scale)) + 129;
        constexpr int max_exponent = 252;  // the largest value times it is finite
        block[layout.first_byte] = static_cast<std::byte>(std::clamp(exponent, 0, max_exponent));
    } else if constexpr (layout.bytes == 0) {
        store_half(block + layout.factor, spans[0].scale);
        if constexpr (layout.offset != 0) {
            store_half(block + layout.minimum_factor, static_cast<float>(layout.offset) * spans[0].offset);
        }
    } else {
        const auto in_codes = [&](std::size_t at, float highest, auto value, auto set) {
            float most = 0.0f;
            for (const auto& span : spans) most = std::max(most, std::abs(value(span)));
            store_half(block + at, most / highest);
            const float step = f16_to_float(earlyout::detail::half_bits(block + at));
            for (std::size_t i = 0; i < spans.size() && step > 0.0f; ++i) {
                set(block, i, static_cast<int>(nearest(std::clamp(value(spans[i]) / step, -highest, highest))));
            }
        };
        in_codes(
            layout.factor, static_cast<float>(Format::max_scale), [](const auto& s) { return s.scale; },
            [](std::byte* to, std::size_t i, int code) { Format::set_scale(to, i, code); });
        if constexpr (layout.offset != 0) {
            in_codes(
                layout.minimum_factor, static_cast<float>(Format::max_scale), [](const auto& s) { return -s.offset; },
                [](std::byte* to, std::size_t i, int code) { Format::set_minimum(to, i, code); });
        }
    }
}

}  // namespace detail

/// Rounds one block of weights to a group format.
/// @param weights [layout.values], finite
/// @param block   [block_bytes(Format::stored)]
template <group_format Format>
void quantize_block(Format, const float* weights, std::byte* block) noexcept {
    constexpr block_layout layout = Format::layout;
    std::fill_n(block, block_bytes(Format::stored), std::byte{});
    std::array<earlyout::detail::span_scale, layout.spans()> spans;
    for (std::size_t s = 0; s < spans.size(); ++s) {
        spans[s] = detail::fit_span<Format>({weights + s * layout.span, layout.span});
    }
    detail::store_scales<Format>(spans, block);
    float factor[2] = {1.0f, 1.0f};
    for (std::size_t f = 0; f < layout.factor_count(); ++f) {
        factor[f] = f16_to_float(earlyout::detail::half_bits(block + layout.factor_at(f)));
    }
    for (std::size_t s = 0; s < spans.size(); ++s) {
        const auto stored = earlyout::detail::scale_of<Format>(
            factor, s, [&](std::size_t i) { return earlyout::detail::byte_at(block, layout.first_byte + i); });
        const float inverse = stored.scale == 0.0f ? 0.0f : 1.0f / stored.scale;
        for (std::size_t i = s * layout.span; i < (s + 1) * layout.span; ++i) {
            Format::set_code(block, i, detail::nearest_code<Format>((weights[i] - stored.offset) * inverse));
        }
    }
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
