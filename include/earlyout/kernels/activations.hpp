// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ACTIVATIONS_HPP
#define EARLYOUT_KERNELS_ACTIVATIONS_HPP

#include <earlyout/kernels/simd.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Computes x / (1 + exp(-x)), also called swish.
template <class Arch = default_arch>
void silu(float* x, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    transform<Arch>(x, x, n, [](const batch& v) { return v / (batch(1.0f) + xsimd::exp(-v)); });
}

/// Computes the tanh form of GELU (Hendrycks and Gimpel, 2016), GPT-2's "gelu_new":
/// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)) with u = sqrt(2/pi) (x + 0.044715 x^3).
template <class Arch = default_arch>
void gelu_tanh(float* x, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    transform<Arch>(x, x, n, [](const batch& v) {
        const batch u = v * multiply_add<Arch>(v * v, batch(2 * 0.7978845608f * 0.044715f), batch(2 * 0.7978845608f));
        return v / (batch(1.0f) + xsimd::exp(-u));
    });
}

/// Computes GELU by its definition, x Phi(x) = 0.5 x (1 + erf(x / sqrt 2)).
template <class Arch = default_arch>
void gelu_erf(float* x, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    transform<Arch>(
        x, x, n, [](const batch& v) { return batch(0.5f) * v * (batch(1.0f) + xsimd::erf(v * batch(0.7071067812f))); });
}

/// Computes max(x, 0).
template <class Arch = default_arch>
void relu(float* x, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    transform<Arch>(x, x, n, [](const batch& v) { return xsimd::max(v, batch(0.0f)); });
}

/// Computes cap * tanh(x / cap), which is near x for small x and stays within cap (Gemma 2).
template <class Arch = default_arch>
void soft_cap(float* x, std::size_t n, float cap, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    transform<Arch>(x, x, n, [cap](const batch& v) { return batch(cap) * xsimd::tanh(v / batch(cap)); });
}

/// Computes x[i] *= y[i]: the gating of a gated feed-forward.
template <class Arch = default_arch>
void multiply_elements(float* x, const float* y, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    std::size_t i = 0;
    for (; i + w <= n; i += w) (batch::load_unaligned(x + i) * batch::load_unaligned(y + i)).store_unaligned(x + i);
    for (; i < n; ++i) x[i] *= y[i];
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
