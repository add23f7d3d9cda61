// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_SCALING_HPP
#define EARLYOUT_NN_SCALING_HPP

#include <earlyout/core/config.hpp>
#include <earlyout/kernels/activations.hpp>

#include <cstddef>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Leaves token embeddings and logits as the matrices give them.
struct no_scaling {
    void embedding(float*, std::size_t) const noexcept {}
    void logits(float*, std::size_t) const noexcept {}
};

/// Multiplies token embeddings by a factor (Granite, Gemma) and limits logits: cap * tanh(x / cap) (Gemma 2).
struct model_scaling {
    float factor = 1.0f;
    float cap = 0.0f;  ///< 0: none

    model_scaling() = default;
    explicit model_scaling(no_scaling) noexcept {}
    explicit model_scaling(float embedding_factor, float logit_cap = 0.0f) noexcept
        : factor(embedding_factor), cap(logit_cap) {}

    /// Scales a token's embedding in place. row: [n]
    void embedding(float* row, std::size_t n) const noexcept {
        if (factor == 1.0f) return;
        for (std::size_t k = 0; k < n; ++k) row[k] *= factor;
    }
    /// Limits logits in place. x: [n]
    void logits(float* x, std::size_t n) const noexcept {
        if (cap != 0.0f) kernels::soft_cap(x, n, cap);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
