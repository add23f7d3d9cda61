// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_NORMALIZATION_HPP
#define EARLYOUT_NN_NORMALIZATION_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/norms.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Layer normalisation with weight and bias, [d_model] each.
template <std::size_t DModel = dynamic>
class layer_norm {
public:
    layer_norm() = default;
    layer_norm(std::vector<float> weight, std::vector<float> bias, float epsilon)
        : size_(weight.size(), "layer norm"), weight_(std::move(weight)), bias_(std::move(bias)), epsilon_(epsilon) {}

    /// Normalises x. x, out: [d_model]; `out` may be `x`.
    void operator()(const float* x, float* out) const noexcept {
        kernels::layer_norm(x, weight_.data(), bias_.data(), epsilon_, out, size_);
    }
    [[nodiscard]] std::span<const float> weight() const noexcept { return weight_; }
    [[nodiscard]] float epsilon() const noexcept { return epsilon_; }
    /// True: the mean is subtracted first.
    [[nodiscard]] static constexpr bool centres() noexcept { return true; }
    [[nodiscard]] std::size_t bytes() const noexcept { return (weight_.size() + bias_.size()) * sizeof(float); }

private:
    [[no_unique_address]] extent<DModel> size_;
    std::vector<float> weight_;
    std::vector<float> bias_;
    float epsilon_ = 1e-5f;
};

/// Root-mean-square normalisation with a weight, [d_model].
template <std::size_t DModel = dynamic>
class rms_norm {
public:
    rms_norm() = default;
    rms_norm(std::vector<float> weight, float epsilon)
        : size_(weight.size(), "RMS norm"), weight_(std::move(weight)), epsilon_(epsilon) {}

    /// Normalises x. x, out: [d_model]; `out` may be `x`.
    void operator()(const float* x, float* out) const noexcept {
        kernels::rms_norm(x, weight_.data(), epsilon_, out, size_);
    }
    [[nodiscard]] std::span<const float> weight() const noexcept { return weight_; }
    [[nodiscard]] float epsilon() const noexcept { return epsilon_; }
    [[nodiscard]] static constexpr bool centres() noexcept { return false; }
    [[nodiscard]] std::size_t bytes() const noexcept { return weight_.size() * sizeof(float); }

private:
    [[no_unique_address]] extent<DModel> size_;
    std::vector<float> weight_;
    float epsilon_ = 1e-5f;
};

/// Copies its input.
class no_norm {
public:
    no_norm() = default;
    explicit no_norm(std::size_t d_model) noexcept : size_(d_model) {}

    /// Copies x. x, out: [d_model]
    void operator()(const float* x, float* out) const noexcept { std::copy_n(x, size_, out); }
    [[nodiscard]] std::size_t bytes() const noexcept { return 0; }

private:
    std::size_t size_ = 0;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
