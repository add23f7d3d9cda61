// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_SOFTMAX_HPP
#define EARLYOUT_KERNELS_SOFTMAX_HPP

#include <earlyout/kernels/norms.hpp>

#include <cmath>
#include <limits>

namespace earlyout::inline EARLYOUT_ABI {
namespace kernels {

/// Largest of x[0 .. n - 1]; minus infinity when n is 0.
template <class Arch = default_arch>
[[nodiscard]] float max_value(const float* x, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    batch most(lowest);
    std::size_t i = 0;
    for (; i + w <= n; i += w) most = xsimd::max(most, batch::load_unaligned(x + i));
    if (i < n) most = xsimd::max(most, load_tail<Arch>(x + i, n - i, lowest));
    return max_lanes<Arch>(most);
}

/// x[i] = exp(x[i] - shift); returns the sum. x: [n]
template <class Arch = default_arch>
float exp_and_sum(float* x, std::size_t n, float shift, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    const batch centre(shift);
    transform<Arch>(x, x, n, [&](const batch& v) { return xsimd::exp(v - centre); });
    return detail::sum_of<Arch>(x, n, [](const batch& v) { return v; });
}

/// log(sum(exp(x[i]))), computed around `shift`, which should be the maximum.
template <class Arch = default_arch>
[[nodiscard]] float log_sum_exp(const float* x, std::size_t n, float shift, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    const batch centre(shift);
    return shift + std::log(detail::sum_of<Arch>(x, n, [&](const batch& v) { return xsimd::exp(v - centre); }));
}

/// Entropy of softmax(x) in nats, -sum p log p = log_sum - sum p x, given log_sum = log(sum(exp(x))).
template <class Arch = default_arch>
[[nodiscard]] float entropy(const float* x, std::size_t n, float log_sum, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    const batch centre(log_sum);
    return -detail::sum_of<Arch>(x, n, [&](const batch& v) {
        const batch log_p = v - centre;
        return xsimd::exp(log_p) * log_p;
    });
}

/// x[i] = exp(x[i]) / sum(exp(x)), in place. x: [n]
template <class Arch = default_arch>
void softmax(float* x, std::size_t n, Arch = {}) noexcept {
    if (n == 0) return;
    using batch = float_batch<Arch>;
    const float sum = exp_and_sum<Arch>(x, n, max_value<Arch>(x, n));
    const batch scale(1.0f / sum);
    transform<Arch>(x, x, n, [&](const batch& v) { return v * scale; });
}

}  // namespace kernels
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
