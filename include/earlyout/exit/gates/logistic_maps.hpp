// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_LOGISTIC_MAPS_HPP
#define EARLYOUT_EXIT_GATES_LOGISTIC_MAPS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/kernels/dot.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Weights of a gate after one layer.
struct layer_weights {
    std::size_t layer = 0;  ///< from 1
    linear_weights weights;
};

/// Returns the weights named NAME.LAYER (`learn-to-exit.3.weight`, and a bias if there is one), for every layer that
/// has them. Views, valid as long as `exits`.
/// @throws error (wrong_shape)
[[nodiscard]] inline std::vector<layer_weights> find_weights_by_layer(const exit_weights& exits,
                                                                      std::string_view name) {
    std::vector<layer_weights> found;
    for (std::size_t layer = 1; layer <= exits.model().layers; ++layer) {
        const std::string own = std::string(name) + "." + std::to_string(layer);
        if (exits.find(own + ".weight") != nullptr) found.push_back({layer, exits.linear(own)});
    }
    return found;
}

/// Returns the same, of which there must be at least one.
/// @throws error (missing_tensor) when no layer has any, (wrong_shape)
[[nodiscard]] inline std::vector<layer_weights> weights_by_layer(const exit_weights& exits, std::string_view name) {
    std::vector<layer_weights> found = find_weights_by_layer(exits, name);
    if (found.empty()) {
        fail(errc::missing_tensor, exits.source(), ": tensor '", name, ".LAYER.weight' is missing for every layer");
    }
    return found;
}

namespace detail {

/// sigmoid(w . x + b), with one map for all layers or one for each of some. Building block of gates fitted to a single
/// number.
class logistic_maps {
public:
    /// @param gate its name, for error messages
    logistic_maps(const char* gate, const linear_weights& shared) : gate_(gate), maps_{{every_layer, shared}} {
        check_map(maps_.front());
    }
    logistic_maps(const char* gate, std::vector<layer_weights> each) : gate_(gate), maps_(std::move(each)) {
        if (maps_.empty()) fail(errc::invalid_argument, gate_, ": expected the weights of a layer, found none");
        std::ranges::sort(maps_, {}, &layer_weights::layer);
        for (std::size_t i = 0; i < maps_.size(); ++i) {
            const std::size_t layer = maps_[i].layer;
            if (layer == 0) fail(errc::invalid_argument, gate_, ": layers are numbered from 1, found 0");
            if (i != 0 && maps_[i - 1].layer == layer) {
                fail(errc::invalid_argument, gate_, ": layer ", layer, " is given twice");
            }
            check_map(maps_[i]);
        }
    }

    /// Returns a value in [0, 1]; nothing after a layer that has no map. x: [inputs]
    [[nodiscard]] std::optional<float> operator()(std::size_t layer, const float* x) const noexcept {
        for (const layer_weights& map : maps_) {
            if (map.layer != layer && map.layer != every_layer) continue;
            const linear_weights& w = map.weights;
            const float bias = w.bias.empty() ? 0.0f : w.bias.front();
            return 1.0f / (1.0f + std::exp(-kernels::dot(w.weight.data(), x, w.inputs) - bias));
        }
        return std::nullopt;
    }

    /// @throws error (wrong_shape) when a map's number of inputs differs
    void check_inputs(std::size_t inputs) const {
        for (const layer_weights& map : maps_) {
            if (map.weights.inputs != inputs) {
                fail(errc::wrong_shape, place(map), ": expected weights of ", inputs, " inputs, found ",
                     map.weights.inputs);
            }
        }
    }
    /// @throws error (mismatch) when the model's hidden state has another width
    void check_width(const model_shape& shape) const {
        for (const layer_weights& map : maps_) {
            if (map.weights.inputs != shape.d_model) {
                fail(errc::mismatch, place(map), ": expected a model with d_model = ", map.weights.inputs, ", found ",
                     shape.d_model);
            }
        }
    }
    /// @throws error (mismatch) when there is a map for a layer that the model does not have
    void check_depth(const model_shape& shape) const {
        if (maps_.back().layer > shape.layers) {
            fail(errc::mismatch, gate_, ": expected a model of at least ", maps_.back().layer, " layers, found ",
                 shape.layers);
        }
    }

private:
    static constexpr std::size_t every_layer = 0;

    [[nodiscard]] std::string place(const layer_weights& map) const {
        return map.layer == every_layer ? gate_ : gate_ + std::string(": layer ") + std::to_string(map.layer);
    }
    void check_map(const layer_weights& map) const {
        const linear_weights& w = map.weights;
        if (w.outputs != 1 || w.weight.size() != w.inputs || w.bias.size() > 1) {
            fail(errc::wrong_shape, place(map), ": expected weights of 1 output and ", w.inputs, " inputs, found ",
                 w.outputs, " outputs, ", w.weight.size(), " values and a bias of ", w.bias.size());
        }
    }

    const char* gate_;
    std::vector<layer_weights> maps_;  ///< by layer; a single one, at every_layer, when it is shared
};

}  // namespace detail

}}  // namespace earlyout::EARLYOUT_ABI

#endif
