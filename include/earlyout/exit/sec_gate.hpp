// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_SEC_GATE_HPP
#define EARLYOUT_EXIT_SEC_GATE_HPP

#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/exit/gate.hpp>
#include <earlyout/kernels/dot.hpp>

#include <array>
#include <cmath>

namespace earlyout::inline EARLYOUT_ABI {

/// Probabilities that a Stop&Exit gate's winning class must exceed. 1 switches a decision off.
struct sec_thresholds {
    float exit = 0.9f;
    float stop = 1.0f;
};

/// The Stop&Exit Controller's gate (Sun et al., ICSE 2024): one linear map of the hidden state to three
/// classes, 0 stop, 1 exit, 2 go on, shared by all layers. With p = softmax(W h): stop if p[0] is the
/// largest and > stop, exit if p[1] is the largest and > exit. Costs 3 d_model multiplications.
class sec_gate {
public:
    static constexpr signal_set signals = signal::hidden_state;
    static constexpr safer safer_threshold = safer::higher;

    /// @param weights [3, d_model] and a bias [3] or none; they must outlive the gate
    /// @throws error (wrong_shape)
    explicit sec_gate(const linear_weights& weights, sec_thresholds thresholds = {})
        : weights_(weights), thresholds_(thresholds) {
        if (weights.outputs != classes || weights.weight.size() != classes * weights.inputs) {
            fail(errc::wrong_shape, "sec_gate: expected weights of ", classes, " classes, found ", weights.outputs,
                 " outputs and ", weights.weight.size(), " values");
        }
    }

    /// Probabilities of stop, exit and go on for a hidden state, [d_model].
    [[nodiscard]] std::array<float, 3> probabilities(std::span<const float> hidden) const noexcept {
        std::array<float, classes> p{};
        for (std::size_t c = 0; c < classes; ++c) {
            p[c] = kernels::dot(weights_.weight.data() + c * weights_.inputs, hidden.data(), weights_.inputs);
            if (!weights_.bias.empty()) p[c] += weights_.bias[c];
        }
        const float most = std::max({p[0], p[1], p[2]});
        float sum = 0.0f;
        for (float& value : p) sum += value = std::exp(value - most);
        for (float& value : p) value /= sum;
        return p;
    }

    decision operator()(const auto& s) const noexcept {
        const std::array<float, classes> p = probabilities(s.hidden_state());
        if (p[0] >= p[1] && p[0] >= p[2]) return p[0] > thresholds_.stop ? decision::stop : decision::go_on;
        if (p[1] >= p[2]) return p[1] > thresholds_.exit ? decision::exit : decision::go_on;
        return decision::go_on;
    }

    /// @throws error (mismatch) when the model's hidden state has another width
    void check(const model_shape& shape) const {
        if (shape.d_model != weights_.inputs) {
            fail(errc::mismatch, "sec_gate: expected a model with d_model = ", weights_.inputs, ", found ",
                 shape.d_model);
        }
    }

private:
    static constexpr std::size_t classes = 3;

    linear_weights weights_;
    sec_thresholds thresholds_;
};

}  // namespace earlyout::inline EARLYOUT_ABI

#endif
