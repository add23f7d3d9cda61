// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_DOT_HPP
#define EARLYOUT_KERNELS_DOT_HPP

#include <earlyout/kernels/simd.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Computes the sum over i of x[i] * y[i], i in [0, n). For the few-row products of gates; whole matrices use
/// `multiply`.
template <class Arch = default_arch>
[[nodiscard]] float dot(const float* x, const float* y, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    batch even(0.0f);
    batch odd(0.0f);
    std::size_t i = 0;
    for (; i + 2 * w <= n; i += 2 * w) {
        even = multiply_add<Arch>(batch::load_unaligned(x + i), batch::load_unaligned(y + i), even);
        odd = multiply_add<Arch>(batch::load_unaligned(x + i + w), batch::load_unaligned(y + i + w), odd);
    }
    for (; i < n; i += w) {
        const std::size_t left = n - i;
        if (left >= w) {
            even = multiply_add<Arch>(batch::load_unaligned(x + i), batch::load_unaligned(y + i), even);
        } else {
            odd = multiply_add<Arch>(load_tail<Arch>(x + i, left, 0.0f), load_tail<Arch>(y + i, left, 0.0f), odd);
        }
    }
    return sum_lanes<Arch>(even + odd);
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
