// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_QUANTIZE_HPP
#define EARLYOUT_KERNELS_QUANTIZE_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/kernels/formats.hpp>
#include <earlyout/kernels/simd.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// One group of weights: weight i is scale * codes[i].
struct coded_group {
    std::uint16_t scale = 0;  ///< binary16
    std::array<std::int8_t, group_size> codes{};
};

namespace detail {

/// Returns the integer nearest to x, ties to even, for |x| < 2^22. Compilers vectorise loops over it.
[[nodiscard]] constexpr float nearest(float x) noexcept { return (x + 0x1.8p23f) - 0x1.8p23f; }

[[nodiscard]] inline coded_group code_group(const float* weights, float scale, float lowest, float highest) noexcept {
    coded_group made;
    made.scale = float_to_f16(scale);
    const float stored = f16_to_float(made.scale);
    const float inverse = stored == 0.0f ? 0.0f : 1.0f / stored;
    for (std::size_t i = 0; i < group_size; ++i) {
        made.codes[i] = static_cast<std::int8_t>(nearest(std::clamp(weights[i] * inverse, lowest, highest)));
    }
    return made;
}

}  // namespace detail

/// int8: the largest magnitude becomes 127. Magnitudes above 127 * 65504 saturate.
/// @param weights [group_size], finite
[[nodiscard]] inline coded_group quantize_group(int8, const float* weights) noexcept {
    float most = 0.0f;
    for (std::size_t i = 0; i < group_size; ++i) most = std::max(most, std::abs(weights[i]));
    return detail::code_group(weights, most / 127.0f, -127.0f, 127.0f);
}

/// int4: the best of several scales around the one that makes the extreme weight -8 or 7, by least squared error
/// weighted by importance, fitted to its codes. Magnitudes above 8 * 65504 saturate.
/// @param weights [group_size], finite
[[nodiscard]] inline coded_group quantize_group(int4, const float* weights) noexcept {
    float extreme = 0.0f;
    for (std::size_t i = 0; i < group_size; ++i) {
        if (std::abs(weights[i]) > std::abs(extreme)) extreme = weights[i];
    }
    if (std::abs(extreme) < std::numeric_limits<float>::min()) return {};
    const float unit = 1.0f / extreme;  // squares of weights relative to the extreme do not overflow
    float best_explained = -1.0f;
    float best_scale = 0.0f;
    for (const float steps : {-9.0f, -8.5f, -8.0f, -7.5f, -7.0f, -6.5f, 6.0f, 6.5f, 7.0f, 7.5f}) {
        float products = 0.0f;
        float squares = 0.0f;
        for (std::size_t i = 0; i < group_size; ++i) {
            const float x = weights[i] * unit;
            const float code = detail::nearest(std::clamp(x * steps, -8.0f, 7.0f));
            // Large weights matter more: with their squares as part of the importance int4 predicts better than with
            // none or with these alone, see earlyout_accuracy.
            const float importance = x * x + 1.0f;
            products += importance * x * code;
            squares += importance * code * code;
        }
        if (squares > 0.0f && products * products > best_explained * squares) {
            best_explained = products * products / squares;
            best_scale = products / squares * extreme;
        }
    }
    return detail::code_group(weights, best_scale, -8.0f, 7.0f);
}

/// Rounds one block of weights to a group format.
/// @param weights [layout.values], finite
/// @param block   [block_bytes(Format::stored)]
template <group_format Format>
    requires requires(const float* weights) { quantize_group(Format{}, weights); }
void quantize_block(Format, const float* weights, std::byte* block) noexcept {
    const coded_group coded = quantize_group(Format{}, weights);
    std::memcpy(block, &coded.scale, sizeof coded.scale);
    for (std::size_t i = 0; i < group_size; ++i) Format::set_code(block, i, coded.codes[i] + Format::zero);
}

/// Activations in the form that products with group formats read: value k of a row is scale[k / 32] * code[k].
struct quantized_view {
    const std::int8_t* codes = nullptr;  ///< [rows, groups * 32]
    const float* scales = nullptr;       ///< [rows, groups]
    const std::int32_t* sums = nullptr;  ///< [rows, groups, 2], sums of the codes of each half of a group
    std::size_t tokens = 0;
    std::size_t groups = 0;

    [[nodiscard]] std::size_t rows() const noexcept { return tokens; }
    [[nodiscard]] quantized_view rows(std::size_t first, std::size_t count) const noexcept {
        return {codes + first * groups * group_size, scales + first * groups, sums + 2 * first * groups, count, groups};
    }
    /// Returns the view that begins with group number `first` of each row; `groups` remains the rows' stride.
    [[nodiscard]] quantized_view from_group(std::size_t first) const noexcept {
        return {codes + first * group_size, scales + first, sums + 2 * first, tokens, groups};
    }
};

/// Rounds one row of activations; the last group is padded with zeros. A group whose largest magnitude is below 1e-30
/// becomes zero; one with an infinity or NaN makes the row's products NaN.
/// @param x              [n]
/// @param codes          [n rounded up to 32]
/// @param scales         [groups]
/// @param sums           [groups, 2]
template <class Arch = default_arch>
void quantize_row(const float* x, std::size_t n, std::int8_t* codes, float* scales, std::int32_t* sums,
                  Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    using ints = int_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    constexpr std::size_t parts = group_size / w;
    alignas(64) float tail[group_size];
    for (std::size_t k = 0; k < n; k += group_size, codes += group_size) {
        const float* from = x + k;
        if (n - k < group_size) {
            std::fill(std::copy(from, x + n, tail), tail + group_size, 0.0f);
            from = tail;
        }
        batch value[parts];
        batch most(0.0f);
        xsimd::batch_bool<float, Arch> finite(true);
        EARLYOUT_UNROLL(16)
        for (std::size_t p = 0; p < parts; ++p) {
            value[p] = batch::load_unaligned(from + p * w);
            const batch magnitude = xsimd::abs(value[p]);
            most = xsimd::max(most, magnitude);
            finite = finite & (magnitude <= batch(std::numeric_limits<float>::max()));
        }
        const float largest = max_lanes<Arch>(most);
        const bool good = xsimd::all(finite);
        const float inverse = good && largest >= 1e-30f ? 127.0f / largest : 0.0f;
        // Rounding to nearest even in the lowest bits of a float, and its bits less those of 1.5 * 2^23: an integer.
        ints rounded[parts];
        EARLYOUT_UNROLL(16)
        for (std::size_t p = 0; p < parts; ++p) {
            const batch kept = good ? value[p] : batch(0.0f);
            const batch shifted = multiply_add<Arch>(kept, batch(inverse), batch(0x1.8p23f));
            rounded[p] = std::bit_cast<ints>(shifted) - ints(0x4b400000);
        }
        arch::store_bytes(rounded, codes, sums, arch::best<Arch>{});
        sums += 2;
        *scales++ = good ? (inverse == 0.0f ? 0.0f : largest / 127.0f) : std::numeric_limits<float>::quiet_NaN();
    }
}

/// Rounds the activations of one product into the given memory.
class quantized_rows {
public:
    /// @param memory bytes(rows, cols) bytes, aligned to a cache line
    quantized_rows(std::byte* memory, std::size_t rows, std::size_t cols) noexcept
        : codes_(reinterpret_cast<std::int8_t*>(memory)),
          scales_(reinterpret_cast<float*>(memory + rows * groups(cols) * group_size)),
          sums_(reinterpret_cast<std::int32_t*>(scales_ + rows * groups(cols))) {}

    /// Returns the bytes that [rows, cols] activations take.
    [[nodiscard]] static constexpr std::size_t bytes(std::size_t rows, std::size_t cols) noexcept {
        return rows * groups(cols) * (group_size + sizeof(float) + 2 * sizeof(std::int32_t));
    }
    /// Returns the groups of a row of `cols` values.
    [[nodiscard]] static constexpr std::size_t groups(std::size_t cols) noexcept {
        return (cols + group_size - 1) / group_size;
    }

    /// Rounds row `index` of [rows, cols] activations to its place.
    void set_row(std::size_t index, const float* x, std::size_t cols) noexcept {
        const std::size_t count = groups(cols);
        quantize_row(x, cols, codes_ + index * count * group_size, scales_ + index * count, sums_ + 2 * index * count);
    }
    [[nodiscard]] quantized_view view(std::size_t rows, std::size_t cols) const noexcept {
        return {codes_, scales_, sums_, rows, groups(cols)};
    }

private:
    std::int8_t* codes_;
    float* scales_;
    std::int32_t* sums_;
};

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
