// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_ADAM_HPP
#define EARLYOUT_CALIBRATE_ADAM_HPP

#include <earlyout/core/config.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

struct adam_options {
    float learning_rate = 1e-3f;
    float beta1 = 0.9f;
    float beta2 = 0.999f;
    float epsilon = 1e-8f;
    float weight_decay =
        0.0f;  ///< decoupled (AdamW): weights shrink by this times the learning rate, independent of gradients
};

/// Updates weights by Adam (Kingma and Ba, ICLR 2015) with decoupled decay (AdamW, Loshchilov and Hutter, ICLR 2019):
/// with m and v the bias-corrected running means of the gradient and of its square, w -= rate (m / (sqrt(v) + epsilon)
/// + decay w). Stores two floats per weight.
class adam {
public:
    explicit adam(std::size_t weights, const adam_options& options = {})
        : options_(options), mean_(weights), square_(weights) {}

    /// Begins a step; its weights are then updated in parts, each once, on any threads.
    /// @param rate the step's share of the learning rate
    void start_step(float rate = 1.0f) noexcept {
        ++steps_;
        const auto t = static_cast<float>(steps_);
        step_ = rate * options_.learning_rate;
        mean_scale_ = 1.0f / (1.0f - std::pow(options_.beta1, t));
        square_scale_ = 1.0f / (1.0f - std::pow(options_.beta2, t));
    }
    /// @param first index of weights[0] among all weights
    void update(std::size_t first, std::span<float> weights, std::span<const float> slopes) noexcept {
        float* const m = mean_.data() + first;
        float* const v = square_.data() + first;
        for (std::size_t i = 0; i < weights.size(); ++i) {
            m[i] = options_.beta1 * m[i] + (1.0f - options_.beta1) * slopes[i];
            v[i] = options_.beta2 * v[i] + (1.0f - options_.beta2) * slopes[i] * slopes[i];
            const float towards = m[i] * mean_scale_ / (std::sqrt(v[i] * square_scale_) + options_.epsilon);
            weights[i] -= step_ * (towards + options_.weight_decay * weights[i]);
        }
    }

private:
    adam_options options_;
    std::vector<float> mean_;
    std::vector<float> square_;
    std::size_t steps_ = 0;
    float step_ = 0.0f;
    float mean_scale_ = 1.0f;
    float square_scale_ = 1.0f;
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
