// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_LEARN_TO_EXIT_HPP
#define EARLYOUT_EXIT_GATES_LEARN_TO_EXIT_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gates/logistic_maps.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits when a fitted map of the hidden state says that this exit is hardly ever wrong:
/// sigmoid(w . h + b) <= threshold, a predicted probability of error ("learning to exit" of BERxiT, Xin et al.,
/// EACL 2021, which predicts how certain the exit is and so compares the other way). One map for all layers,
/// or one for each exit layer; it goes on after a layer that has none. Costs d_model multiplications.
class learn_to_exit {
public:
    static constexpr signal_set signals = signal::hidden_state;
    static constexpr safer safer_threshold = safer::lower;

    /// @param weights [1, d_model] and a bias [1] or none; they must outlive the gate
    /// @param threshold a probability of error; < 0 never exits
    /// @throws error (wrong_shape)
    explicit learn_to_exit(const linear_weights& weights, float threshold = 0.1f)
        : maps_("learn_to_exit", weights), threshold_(threshold) {}
    /// @param weights as above for each exit layer, in any order
    /// @throws error (wrong_shape, invalid_argument)
    explicit learn_to_exit(std::vector<layer_weights> weights, float threshold = 0.1f)
        : maps_("learn_to_exit", std::move(weights)), threshold_(threshold) {}

    /// Probability that the exit after a layer is wrong, for a hidden state [d_model]; none for a layer
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
