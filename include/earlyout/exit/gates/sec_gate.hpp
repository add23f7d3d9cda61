// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_SEC_GATE_HPP
#define EARLYOUT_EXIT_GATES_SEC_GATE_HPP

#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>
#include <earlyout/exit/gates/logistic_maps.hpp>
#include <earlyout/kernels/dot.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Probabilities that a Stop&Exit gate's most likely class must exceed. 1 disables a decision.
struct sec_thresholds {
    float exit = 0.9f;
    float stop = 1.0f;
};

/// The Stop&Exit Controller's gate (Sun et al., ICSE 2024): one linear map of the hidden state to three classes, 0
/// stop, 1 exit, 2 continue, shared by all layers, or one for each of some (it continues after others). With p =
/// softmax(W h): stop if p[0] is the largest and > stop, exit if p[1] is the largest and > exit. Costs 3 d_model
/// multiplications.
class sec_gate {
public:
    static constexpr signal_set signals = signal::hidden_state;
    static constexpr threshold_direction direction = threshold_direction::higher_is_conservative;

    // The SEC paper's thresholds: below .5 the most likely class alone decides.
    static constexpr float grid[]{0.999f, 0.99f, 0.95f, 0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.0f};
    static constexpr gate_parameter parameters[]{
        {.name = "exit",
         .meaning = "probability of exit, where it is the most likely class, above",
         .comparison = ">",
         .otherwise = 0.9f,
         .direction = direction,
         .grid = grid},
        {.name = "stop",
         .meaning = "probability of stop, where it is the most likely class, above",
         .comparison = ">",
         .otherwise = 1.0f,
         .direction = direction,
         .grid = grid}};
    static constexpr std::string_view tensors[]{"weight", "bias"};
    static constexpr gate_info info{.name = "sec",
                                    .brief = "stops, exits or continues by a fitted map to three classes",
                                    .parameters = parameters,
                                    .tensors = tensors};

    /// Reads `sec.LAYER.weight` after the layers that have one, and `sec.weight`, if there is one, after all others.
    /// @throws error (missing_tensor, wrong_shape)
    static sec_gate from(std::span<const float> values, const exit_weights& exits) {
        const sec_thresholds thresholds{.exit = values[0], .stop = values[1]};
        if (exits.find("sec.weight") == nullptr) return sec_gate(weights_by_layer(exits, info.name), thresholds);
        std::vector<layer_weights> maps = find_weights_by_layer(exits, info.name);
        maps.push_back({every_layer, exits.linear(info.name)});
        return sec_gate(std::move(maps), thresholds);
    }

    /// @param weights [3, d_model] and a bias [3] or none; they must outlive the gate
    /// @throws error (wrong_shape)
    explicit sec_gate(const linear_weights& weights, sec_thresholds thresholds = {})
        : sec_gate(std::vector<layer_weights>{{every_layer, weights}}, thresholds) {}
    /// @param weights as above for each exit layer, see weights_by_layer(exits, "sec")
    /// @throws error (wrong_shape, invalid_argument)
    explicit sec_gate(std::vector<layer_weights> weights, sec_thresholds thresholds = {})
        : maps_(std::move(weights)), thresholds_(thresholds) {
        if (maps_.empty()) fail(errc::invalid_argument, "sec_gate: expected the weights of a layer, found none");
        for (const layer_weights& map : maps_) {
            const linear_weights& w = map.weights;
            if (w.outputs != classes || w.weight.size() != classes * w.inputs ||
                (!w.bias.empty() && w.bias.size() != classes)) {
                fail(errc::wrong_shape, "sec_gate: expected weights of ", classes, " classes, found ", w.outputs,
                     " outputs and ", w.weight.size(), " values");
            }
        }
    }

    /// Returns the probabilities of stop, exit and continue after a layer, for a hidden state [d_model]; after a layer
    /// without weights, certain to continue.
    [[nodiscard]] std::array<float, 3> probabilities(std::size_t layer, std::span<const float> hidden) const noexcept {
        const auto found = std::ranges::find_if(
            maps_, [&](const layer_weights& map) { return map.layer == layer || map.layer == every_layer; });
        if (found == maps_.end()) return {0.0f, 0.0f, 1.0f};
        const linear_weights& w = found->weights;
        std::array<float, classes> p{};
        for (std::size_t c = 0; c < classes; ++c) {
            p[c] = kernels::dot(w.weight.data() + c * w.inputs, hidden.data(), w.inputs);
            if (!w.bias.empty()) p[c] += w.bias[c];
        }
        const float most = std::max({p[0], p[1], p[2]});
        float sum = 0.0f;
        for (float& value : p) sum += value = std::exp(value - most);
        for (float& value : p) value /= sum;
        return p;
    }

    /// Returns the same for a gate shared by all layers.
    [[nodiscard]] std::array<float, 3> probabilities(std::span<const float> hidden) const noexcept {
        return probabilities(every_layer, hidden);
    }

    decision operator()(const auto& s) const noexcept {
        const std::array<float, classes> p = probabilities(s.layer(), s.hidden_state());
        if (p[0] >= p[1] && p[0] >= p[2]) return p[0] > thresholds_.stop ? decision::stop : decision::go_on;
        if (p[1] >= p[2]) return p[1] > thresholds_.exit ? decision::exit : decision::go_on;
        return decision::go_on;
    }

    /// @throws error (mismatch) when the model's hidden state has another width
    void check(const model_shape& shape) const {
        for (const layer_weights& map : maps_) {
            if (shape.d_model != map.weights.inputs || shape.layers < map.layer) {
                fail(errc::mismatch, "sec_gate: expected a model with d_model = ", map.weights.inputs, " and at least ",
                     map.layer, " layers, found ", shape.d_model, " and ", shape.layers);
            }
        }
    }

private:
    static constexpr std::size_t classes = 3;

    static constexpr std::size_t every_layer = 0;

    std::vector<layer_weights> maps_;
    sec_thresholds thresholds_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
