// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_SOFTMAX_HPP
#define EARLYOUT_KERNELS_SOFTMAX_HPP

#include <earlyout/kernels/norms.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Returns the largest of x[0 .. n - 1]; minus infinity when n is 0.
template <class Arch = default_arch>
[[nodiscard]] float max_value(const float* x, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>, at_once = 4;
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    batch most[at_once];
    for (batch& m : most) m = batch(lowest);
    std::size_t i = 0;
    for (; i + at_once * w <= n; i += at_once * w) {
        EARLYOUT_UNROLL(4)
        for (std::size_t j = 0; j < at_once; ++j) most[j] = xsimd::max(most[j], batch::load_unaligned(x + i + j * w));
    }
    for (; i + w <= n; i += w) most[0] = xsimd::max(most[0], batch::load_unaligned(x + i));
    if (i < n) most[1] = xsimd::max(most[1], load_tail<Arch>(x + i, n - i, lowest));
    return max_lanes<Arch>(xsimd::max(xsimd::max(most[0], most[1]), xsimd::max(most[2], most[3])));
}

/// Computes x[i] = exp(x[i] - shift); returns the sum. x: [n]
template <class Arch = default_arch>
float exp_and_sum(float* x, std::size_t n, float shift, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    const batch centre(shift);
    batch sum[2] = {batch(0.0f), batch(0.0f)};
    const auto next = [&](std::size_t i) {
        const batch e = xsimd::exp(batch::load_unaligned(x + i) - centre);
        e.store_unaligned(x + i);
        return e;
    };
    std::size_t i = 0;
    for (; i + 2 * w <= n; i += 2 * w) {
        sum[0] += next(i);
        sum[1] += next(i + w);
    }
    if (i + w <= n) {
        sum[0] += next(i);
        i += w;
    }
    float total = sum_lanes<Arch>(sum[0] + sum[1]);
    if (i < n) {
        store_tail<Arch>(xsimd::exp(load_tail<Arch>(x + i, n - i, shift) - centre), x + i, n - i);
        for (; i < n; ++i) total += x[i];
    }
    return total;
}

/// Computes sum(exp(x[i] - shift)). x: [n]
template <class Arch = default_arch>
[[nodiscard]] float sum_exp(const float* x, std::size_t n, float shift, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    const batch centre(shift);
    return detail::sum_of<Arch>(x, n, [&](const batch& v) { return xsimd::exp(v - centre); });
}

/// Computes log(sum(exp(x[i]))) around `shift`, which should be the maximum.
template <class Arch = default_arch>
[[nodiscard]] float log_sum_exp(const float* x, std::size_t n, float shift, Arch = {}) noexcept {
    return shift + std::log(sum_exp<Arch>(x, n, shift));
}

/// Computes the entropy of softmax(x) in nats, -sum p log p = log_sum - sum p x, given log_sum = log(sum(exp(x))). An x
/// of -infinity adds nothing; NaN when log_sum is.
template <class Arch = default_arch>
[[nodiscard]] float entropy(const float* x, std::size_t n, float log_sum, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    if (std::isnan(log_sum)) return log_sum;
    const batch centre(log_sum), least(std::numeric_limits<float>::lowest());  // 0 * -infinity would be NaN
    return -detail::sum_of<Arch>(x, n, [&](const batch& v) {
        const batch log_p = xsimd::max(v - centre, least);
        return xsimd::exp(log_p) * log_p;
    });
}

/// Computes H(q) in nats of q = p^2 / sum p^2, p = softmax(x): since q = softmax(2 x), with y = x - largest,
/// H(q) = log sum exp(2 y) - 2 sum y exp(2 y) / sum exp(2 y).
template <class Arch = default_arch>
[[nodiscard]] float entropy_of_squares(const float* x, std::size_t n, float largest, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    constexpr float least = std::numeric_limits<float>::lowest() / 2;  // of y: 0 * -infinity would be NaN
    const batch centre(largest);
    batch sums(0.0f);
    batch products(0.0f);
    std::size_t i = 0;
    for (; i + w <= n; i += w) {
        const batch y = xsimd::max(batch::load_unaligned(x + i) - centre, batch(least));
        const batch e = xsimd::exp(y + y);
        sums += e;
        products = multiply_add<Arch>(y, e, products);
    }
    float sum = sum_lanes<Arch>(sums);
    float product = sum_lanes<Arch>(products);
    for (; i < n; ++i) {
        const float y = std::max(x[i] - largest, least);
        const float e = std::exp(2.0f * y);
        sum += e;
        product += y * e;
    }
    return std::log(sum) - 2.0f * product / sum;
}

/// Computes KL(p || q) in nats, sum p (log p - log q), of p = softmax(x) and q = softmax(y), given log(sum(exp)) of
/// both. Terms with p = 0 add nothing; infinite where only q is 0; NaN when a log_sum is. x, y: [n]
template <class Arch = default_arch>
[[nodiscard]] float kl_divergence(const float* x, float log_sum_x, const float* y, float log_sum_y, std::size_t n,
                                  Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    if (std::isnan(log_sum_x) || std::isnan(log_sum_y)) return log_sum_x + log_sum_y;
    constexpr float least = std::numeric_limits<float>::lowest() / 2;  // 0 * -infinity would be NaN
    const batch centre_x(log_sum_x), centre_y(log_sum_y);
    batch sums(0.0f);
    std::size_t i = 0;
    for (; i + w <= n; i += w) {
        const batch log_p = xsimd::max(batch::load_unaligned(x + i) - centre_x, batch(least));
        const batch log_q = xsimd::max(batch::load_unaligned(y + i) - centre_y, batch(least));
        sums = multiply_add<Arch>(xsimd::exp(log_p), log_p - log_q, sums);
    }
    float sum = sum_lanes<Arch>(sums);
    for (; i < n; ++i) {
        const float log_p = std::max(x[i] - log_sum_x, least);
        sum += std::exp(log_p) * (log_p - std::max(y[i] - log_sum_y, least));
    }
    return std::max(sum, 0.0f);
}

/// Computes x[i] = exp(x[i]) / sum(exp(x)), in place. x: [n]
template <class Arch = default_arch>
void softmax(float* x, std::size_t n, Arch = {}) noexcept {
    if (n == 0) return;
    using batch = float_batch<Arch>;
    const float sum = exp_and_sum<Arch>(x, n, max_value<Arch>(x, n));
    const batch scale(1.0f / sum);
    transform<Arch>(x, x, n, [&](const batch& v) { return v * scale; });
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
