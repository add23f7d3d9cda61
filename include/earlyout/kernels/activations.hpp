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

/// The limit and the slope of gpt-oss's SwiGLU.
inline constexpr float swiglu_limit = 7.0f, swiglu_slope = 1.702f;

/// Computes g / (1 + exp(-1.702 g)) with g = min(x, 7): the gate of gpt-oss's SwiGLU. NaN stays.
template <class Arch = default_arch>
void clamped_swish(float* x, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    transform<Arch>(x, x, n, [](const batch& v) {
        const batch limit(swiglu_limit), g = xsimd::select(v > limit, limit, v);
        return g / (batch(1.0f) + xsimd::exp(batch(-swiglu_slope) * g));
    });
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

/// Computes x[i] *= 1 + max(-7, min(y[i], 7)): the gating of gpt-oss's SwiGLU. NaN stays.
template <class Arch = default_arch>
void multiply_clamped(float* x, const float* y, std::size_t n, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    const batch most(swiglu_limit), least(-swiglu_limit);
    std::size_t i = 0;
    for (; i + w <= n; i += w) {
        const batch v = batch::load_unaligned(y + i);
        const batch u = xsimd::select(v > most, most, xsimd::select(v < least, least, v));
        (batch::load_unaligned(x + i) * (u + batch(1.0f))).store_unaligned(x + i);
    }
    for (; i < n; ++i) {
        const float u = y[i] > swiglu_limit ? swiglu_limit : y[i] < -swiglu_limit ? -swiglu_limit : y[i];
        x[i] *= u + 1.0f;
    }
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
