// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_LEARN_TO_EXIT_HPP
#define EARLYOUT_EXIT_GATES_LEARN_TO_EXIT_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>
#include <earlyout/exit/gates/logistic_maps.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits when a fitted map of the hidden state predicts a low probability of error at this exit: sigmoid(w . h + b) <=
/// threshold ("learning to exit" of BERxiT, Xin et al., EACL 2021, which predicts how certain the exit is and so
/// compares the other way). One map for all layers, or one for each exit layer; it continues after a layer that has
/// none. Costs d_model multiplications.
class learn_to_exit {
public:
    static constexpr signal_set signals = signal::hidden_state;
    static constexpr threshold_direction direction = threshold_direction::lower_is_conservative;

    static constexpr float grid[]{0.02f, 0.05f, 0.1f, 0.2f, 0.3f, 0.4f, 0.6f, 1.0f};
    static constexpr gate_parameter parameters[]{{.name = "threshold",
                                                  .meaning = "predicted probability that exiting is wrong, at most",
                                                  .comparison = "<=",
                                                  .otherwise = 0.1f,
                                                  .direction = direction,
                                                  .grid = grid}};
    static constexpr std::string_view tensors[]{"weight", "bias"};
    static constexpr gate_info info{.name = "learn-to-exit",
                                    .brief = "exits where a fitted map predicts a low probability of error",
                                    .parameters = parameters,
                                    .tensors = tensors};

    /// @throws error (missing_tensor, wrong_shape)
    static learn_to_exit from(std::span<const float> values, const exit_weights& exits) {
        return learn_to_exit(weights_by_layer(exits, info.name), values[0]);
    }

    /// @param weights [1, d_model] and a bias [1] or none; they must outlive the gate
    /// @param threshold a probability of error; < 0 never exits
    /// @throws error (wrong_shape)
    explicit learn_to_exit(const linear_weights& weights, float threshold = 0.1f)
        : maps_("learn_to_exit", weights), threshold_(threshold) {}
    /// @param weights as above for each exit layer, in any order
    /// @throws error (wrong_shape, invalid_argument)
    explicit learn_to_exit(std::vector<layer_weights> weights, float threshold = 0.1f)
        : maps_("learn_to_exit", std::move(weights)), threshold_(threshold) {}

    /// Returns the probability that the exit after a layer is wrong, for a hidden state [d_model]; nothing for a layer
    /// without weights.
    [[nodiscard]] std::optional<float> predicted_error(std::size_t layer,
                                                       std::span<const float> hidden) const noexcept {
        return maps_(layer, hidden.data());
    }

    decision operator()(const auto& s) const noexcept {
        const std::optional<float> error = predicted_error(s.layer(), s.hidden_state());
        return error && *error <= threshold_ ? decision::exit : decision::go_on;
    }

    /// @throws error (mismatch) when the model's hidden state has another width, or the model too few layers
    void check(const model_shape& shape) const {
        maps_.check_width(shape);
        maps_.check_depth(shape);
    }

private:
    detail::logistic_maps maps_;
    float threshold_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
