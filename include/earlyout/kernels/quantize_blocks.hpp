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

/// The codes of a format with a table in the order of their values, and between each and the next the middle.
template <class Format>
struct ordered_codes {
    std::array<int, 16> codes{};
    std::array<float, 15> middles{};
};
template <class Format>
inline constexpr ordered_codes<Format> codes_by_value = [] {
    ordered_codes<Format> made;
    for (int code = 0; code < 16; ++code) made.codes[static_cast<std::size_t>(code)] = code;
    std::ranges::sort(made.codes, {}, [](int code) { return earlyout::detail::value_of<Format>(code); });
    for (std::size_t i = 0; i + 1 < 16; ++i) {
        made.middles[i] = 0.5f * static_cast<float>(earlyout::detail::value_of<Format>(made.codes[i]) +
                                                    earlyout::detail::value_of<Format>(made.codes[i + 1]));
    }
    return made;
}();

/// Returns the code whose value is nearest to x.
template <class Format>
[[nodiscard]] int nearest_code(float x) noexcept {
    if constexpr (has_values<Format>) {
        std::size_t below = 0;  // counted without branches
        for (const float middle : codes_by_value<Format>.middles) below += x > middle ? 1u : 0u;
        return codes_by_value<Format>.codes[below];
    } else {
        constexpr float highest = static_cast<float>((1 << Format::bits) - 1);
        return static_cast<int>(nearest(std::clamp(x + static_cast<float>(Format::zero), 0.0f, highest)));
    }
}

/// Weighted sums over a span's weights x and their codes' values q, from which the best scale for these codes and their
/// error follow. Weights are relative to the largest, so that no square overflows. Large ones matter more: with their
/// squares as part of the importance, formats predict better than with none or with these alone (earlyout_accuracy).
struct code_sums {
    float weight = 0.0f, q = 0.0f, qq = 0.0f, x = 0.0f, xq = 0.0f;

    void add(float relative, float value) noexcept {
        const float importance = relative * relative + 1.0f;
        weight += importance;
        q += importance * value;
        qq += importance * value * value;
        x += importance * relative;
        xq += importance * relative * value;
    }
};

/// Returns the value of the code that is nearest to x.
template <class Format>
[[nodiscard]] float nearest_value(float x) noexcept {
    return static_cast<float>(earlyout::detail::value_of<Format>(nearest_code<Format>(x)));
}

/// The value furthest from zero.
template <class Format>
inline constexpr int furthest_value = [] {
    int found = 0;
    for (int code = 0; code < 1 << Format::bits; ++code) {
        const int value = earlyout::detail::value_of<Format>(code);
        if (value * value > found * found) found = value;
    }
    return found;
}();

/// Returns the scale for which the weights' squared error is least, weighted by importance: the best of those near the
/// one that puts the extreme weight on the value furthest from zero, or on one near the other end, each fitted to its
/// codes.
template <class Format>
[[nodiscard]] float fit_scale(std::span<const float> weights) noexcept {
    const auto [least, most] = std::ranges::minmax(weights);
    const float extreme = -least > most ? least : most;
    if (std::abs(extreme) < std::numeric_limits<float>::min()) return 0.0f;
    constexpr float furthest = static_cast<float>(furthest_value<Format>);
    const float unit = 1.0f / extreme;
    float best_explained = -1.0f, best = 0.0f;
    const auto attempt = [&](float at) {  // the extreme weight becomes this value
        code_sums sums;
        for (const float weight : weights) sums.add(weight * unit, nearest_value<Format>(weight * unit * at));
        if (sums.qq > 0.0f && sums.xq * sums.xq > best_explained * sums.qq) {
            best_explained = sums.xq * sums.xq / sums.qq;
            best = sums.xq / sums.qq * extreme;
        }
    };
    constexpr float half_step = furthest / static_cast<float>(1 << Format::bits);  // half a code, or about that
    for (int k = -3; k <= 2; ++k) attempt(furthest + static_cast<float>(k) * half_step);
    for (int k = -4; k <= -1; ++k) attempt(-(furthest + static_cast<float>(k) * half_step));
    return best;
}

/// The same among powers of two.
template <class Format>
[[nodiscard]] float fit_exponent(std::span<const float> weights) noexcept {
    float extreme = 0.0f;
    for (const float weight : weights) extreme = std::max(extreme, std::abs(weight));
    if (extreme < std::numeric_limits<float>::min()) return 0.0f;
    const int exponent = std::ilogb(extreme / std::abs(static_cast<float>(furthest_value<Format>)));
    float best_error = std::numeric_limits<float>::infinity(), best = 0.0f;
    for (int e = exponent - 1; e <= exponent + 1; ++e) {
        const float scale = std::ldexp(1.0f, e);
        if (scale < std::numeric_limits<float>::min() || scale > 0x1p120f) continue;
        float error = 0.0f;
        for (const float weight : weights) {
            const float relative = weight / extreme;
            const float off = relative - nearest_value<Format>(weight / scale) * (scale / extreme);
            error += (relative * relative + 1.0f) * off * off;
        }
        if (error < best_error) {
            best_error = error;
            best = scale;
        }
    }
    return best == 0.0f ? std::ldexp(1.0f, exponent) : best;
}

/// The same for a format with offsets: scale and offset.
template <class Format>
[[nodiscard]] earlyout::detail::span_scale fit_scale_and_offset(std::span<const float> weights) noexcept {
    const auto [least, most] = std::ranges::minmax(weights);
    constexpr bool only_down = Format::layout.offset < 0;  // offsets of 0 and below
    const float low = only_down ? std::min(least, 0.0f) : least;
    const float extreme = std::max(std::abs(low), std::abs(most));
    const float range = most / extreme - low / extreme;
    if (extreme < std::numeric_limits<float>::min() || !(range > 0.0f)) return {0.0f, extreme == 0.0f ? 0.0f : low};
    constexpr float highest = static_cast<float>((1 << Format::bits) - 1);
    float best_error = std::numeric_limits<float>::infinity();
    earlyout::detail::span_scale best{range / highest, low / extreme};
    for (int half_steps = -3; half_steps <= 3; ++half_steps) {
        const float steps = (highest + 0.5f * static_cast<float>(half_steps)) / range;
        if (!(steps > 0.0f)) continue;
        code_sums sums;
        for (const float weight : weights) {
            const float relative = weight / extreme;
            sums.add(relative, nearest(std::clamp((relative - low / extreme) * steps, 0.0f, highest)));
        }
        // Least squares: x = scale q + offset.
        const float determinant = sums.weight * sums.qq - sums.q * sums.q;
        if (!(determinant > 0.0f)) continue;
        earlyout::detail::span_scale fitted{(sums.weight * sums.xq - sums.q * sums.x) / determinant,
                                            (sums.qq * sums.x - sums.q * sums.xq) / determinant};
        if (only_down && fitted.offset > 0.0f) fitted = {sums.xq / sums.qq, 0.0f};
        float error = 0.0f;
        for (const float weight : weights) {
            const float relative = weight / extreme;
            const float code = nearest(std::clamp((relative - fitted.offset) / fitted.scale, 0.0f, highest));
            const float off = relative - fitted.offset - code * fitted.scale;
            error += (relative * relative + 1.0f) * off * off;
        }
        if (fitted.scale > 0.0f && error < best_error) {
            best_error = error;
            best = fitted;
        }
    }
    return {best.scale * extreme, best.offset * extreme};
}

/// Returns the scale of a span's weights, and the offset if the format has one.
template <class Format>
[[nodiscard]] earlyout::detail::span_scale fit_span(std::span<const float> weights) noexcept {
    if constexpr (Format::layout.offset != 0) {
        return fit_scale_and_offset<Format>(weights);
    } else if constexpr (Format::layout.is_exponent) {
        return {fit_exponent<Format>(weights), 0.0f};
    } else {
        return {fit_scale<Format>(weights), 0.0f};
    }
}

/// Stores the spans' scales in a block of zeros: directly as binary16, or relative to the block's largest.
template <class Format>
void store_scales(std::span<const earlyout::detail::span_scale> spans, std::byte* block) noexcept {
    constexpr block_layout layout = Format::layout;
    if constexpr (layout.is_exponent) {
        const int exponent = spans[0].scale == 0.0f ? 0 : std::ilogb(spans[0].scale) + 128;
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
        // The inverse of a subnormal scale may be infinite.
        const bool is_zero = std::abs(stored.scale) < std::numeric_limits<float>::min();
        const float inverse = is_zero ? 0.0f : 1.0f / stored.scale;
        for (std::size_t i = s * layout.span; i < (s + 1) * layout.span; ++i) {
            Format::set_code(block, i, detail::nearest_code<Format>((weights[i] - stored.offset) * inverse));
        }
    }
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
