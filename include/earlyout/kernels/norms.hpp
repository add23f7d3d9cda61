// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_NORMS_HPP
#define EARLYOUT_KERNELS_NORMS_HPP

#include <earlyout/kernels/simd.hpp>

#include <cmath>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

namespace detail {

/// Computes the sum over op(x[i]); lanes past the end contribute nothing.
template <class Arch, class Op>
inline float sum_of(const float* x, std::size_t n, Op op) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    batch sum(0.0f);
    std::size_t i = 0;
    for (; i + w <= n; i += w) sum += op(batch::load_unaligned(x + i));
    float total = sum_lanes<Arch>(sum);
    if (i < n) {
        alignas(64) float values[w];
        op(load_tail<Arch>(x + i, n - i, 0.0f)).store_aligned(values);
        for (std::size_t j = 0; j < n - i; ++j) total += values[j];
    }
    return total;
}

}  // namespace detail

/// Layer normalisation (Ba et al., 2016): out = (x - mean) / sqrt(variance + epsilon) * weight + bias,
/// with the biased variance. x, weight, bias, out: [n]; `out` may be `x`.
template <class Arch = default_arch>
void layer_norm(const float* x, const float* weight, const float* bias, float epsilon, float* out, std::size_t n,
                Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    const float count = static_cast<float>(n);
    const float mean = detail::sum_of<Arch>(x, n, [](const batch& v) { return v; }) / count;
    const batch centre(mean);
    const float variance =
        detail::sum_of<Arch>(x, n, [&](const batch& v) { return (v - centre) * (v - centre); }) / count;
    const batch scale(1.0f / std::sqrt(variance + epsilon));
    std::size_t i = 0;
    for (; i + w <= n; i += w) {
        const batch normed = (batch::load_unaligned(x + i) - centre) * scale;
        multiply_add<Arch>(normed, batch::load_unaligned(weight + i), batch::load_unaligned(bias + i))
            .store_unaligned(out + i);
    }
    if (i < n) {
        const std::size_t left = n - i;
        const batch normed = (load_tail<Arch>(x + i, left, mean) - centre) * scale;
        store_tail<Arch>(
            multiply_add<Arch>(normed, load_tail<Arch>(weight + i, left, 0.0f), load_tail<Arch>(bias + i, left, 0.0f)),
            out + i, left);
    }
}

/// Root-mean-square normalisation (Zhang and Sennrich, 2019): out = x / sqrt(mean(x^2) + epsilon) * weight.
/// x, weight, out: [n]; `out` may be `x`.
template <class Arch = default_arch>
void rms_norm(const float* x, const float* weight, float epsilon, float* out, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    const float squares = detail::sum_of<Arch>(x, n, [](const batch& v) { return v * v; });
    const batch scale(1.0f / std::sqrt(squares / static_cast<float>(n) + epsilon));
    std::size_t i = 0;
    for (; i + w <= n; i += w) {
        (batch::load_unaligned(x + i) * scale * batch::load_unaligned(weight + i)).store_unaligned(out + i);
    }
    if (i < n) {
        const std::size_t left = n - i;
        store_tail<Arch>(load_tail<Arch>(x + i, left, 0.0f) * scale * load_tail<Arch>(weight + i, left, 0.0f), out + i,
                         left);
    }
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
