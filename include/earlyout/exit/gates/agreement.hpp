// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_AGREEMENT_HPP
#define EARLYOUT_EXIT_GATES_AGREEMENT_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>
#include <earlyout/exit/gates/logistic_maps.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Returns the features of the agreement gate: log(p1 / (1 - p1)), log(p1 / p2), p1 - p2 and its square. For fitting
/// it. Probabilities beyond 1e-4 of 0 and 1 count as there.
[[nodiscard]] inline std::array<float, 4> agreement_features(float max_probability, float margin) noexcept {
    constexpr float least = 1e-4f;
    const float p1 = std::clamp(max_probability, least, 1.0f - least);
    const float p2 = std::clamp(max_probability - margin, 0.1f * least, 1.0f);
    return {std::log(p1 / (1.0f - p1)), std::log(p1 / p2), margin, margin * margin};
}

/// Exits where full depth would probably predict the same token: after each exit layer sigmoid(w . u + b) of u =
/// agreement_features(p1, p1 - p2) is the probability of that, fitted and calibrated for this layer. So one threshold
/// means the same at every exit, which a margin's does not. Costs the exit's logits; continues after a layer without
/// weights.
class agreement {
public:
    static constexpr signal_set signals = signal::max_probability | signal::margin;
    static constexpr threshold_direction direction = threshold_direction::higher_is_conservative;

    static constexpr float grid[]{0.995f, 0.99f, 0.985f, 0.98f, 0.97f, 0.96f, 0.94f, 0.92f, 0.9f, 0.85f, 0.8f};
    static constexpr gate_parameter parameters[]{
        {.name = "threshold",
         .meaning = "probability that full depth predicts the same token, at least",
         .comparison = ">=",
         .otherwise = 0.97f,
         .direction = direction,
         .grid = grid}};
    static constexpr std::string_view tensors[]{"weight", "bias"};
    static constexpr gate_info info{.name = "agreement",
                                    .brief = "exits where full depth would probably predict the same token",
                                    .parameters = parameters,
                                    .tensors = tensors};

    /// @throws error (missing_tensor, wrong_shape)
    static agreement from(std::span<const float> values, const exit_weights& exits) {
        return agreement(weights_by_layer(exits, info.name), values[0]);
    }

    /// @param weights [1, 4] and a bias [1] or none, for each exit layer, in any order; they must outlive the gate
    /// @param threshold a probability; > 1 never exits
    /// @throws error (wrong_shape, invalid_argument)
    explicit agreement(std::vector<layer_weights> weights, float threshold = 0.97f)
        : maps_("agreement", std::move(weights)), threshold_(threshold) {
        maps_.check_inputs(features);
    }

    decision operator()(const auto& s) const {
        const std::optional<float> p = probability(s.layer(), s.max_probability(), s.margin());
        return p && *p >= threshold_ ? decision::exit : decision::go_on;
    }

    /// Returns the probability that full depth agrees; nothing after a layer without weights.
    [[nodiscard]] std::optional<float> probability(std::size_t layer, float max_probability,
                                                   float margin) const noexcept {
        const std::array<float, features> u = agreement_features(max_probability, margin);
        return maps_(layer, u.data());
    }

    /// @throws error (mismatch) when there are weights for a layer that the model does not have
    void check(const model_shape& shape) const { maps_.check_depth(shape); }

private:
    static constexpr std::size_t features = 4;

    detail::logistic_maps maps_;
    float threshold_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
