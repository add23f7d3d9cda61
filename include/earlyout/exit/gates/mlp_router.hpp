// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_MLP_ROUTER_HPP
#define EARLYOUT_EXIT_GATES_MLP_ROUTER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>
#include <earlyout/kernels/dot.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Weights of a router after one layer.
struct router_weights {
    std::size_t layer = 0;  ///< from 1
    linear_weights up;      ///< [hidden, d_model], and a bias [hidden] or none
    linear_weights down;    ///< [1, hidden], and a bias [1] or none
};

/// Exits when a small network predicts that this exit is correct: sigmoid(w2 . silu(W1 rmsnorm(h) + b1) + b2) >=
/// threshold, a probability, with rmsnorm(h) = h / sqrt(mean(h^2) + 1e-6). One router for each exit layer; it continues
/// after a layer that has none. It can separate cases that a linear map of the hidden state cannot. Costs hidden *
/// (d_model + 1) multiplications and `hidden` exponentials.
class mlp_router {
public:
    static constexpr signal_set signals = signal::hidden_state;
    static constexpr threshold_direction direction = threshold_direction::higher_is_conservative;
    static constexpr float grid[]{0.99f, 0.97f, 0.95f, 0.9f, 0.8f, 0.7f, 0.6f, 0.5f};
    static constexpr gate_parameter parameters[]{{.name = "threshold",
                                                  .meaning = "predicted probability that exiting is correct, at least",
                                                  .comparison = ">=",
                                                  .otherwise = 0.9f,
                                                  .direction = direction,
                                                  .grid = grid}};
    static constexpr std::string_view tensors[]{"up.weight", "up.bias", "down.weight", "down.bias"};
    static constexpr gate_info info{.name = "mlp-router",
                                    .brief = "exits where a small fitted network predicts that exiting is correct",
                                    .parameters = parameters,
                                    .tensors = tensors};

    /// Reads `mlp-router.LAYER.up` and `.down` of every layer that has them.
    /// @throws error (missing_tensor, wrong_shape)
    static mlp_router from(std::span<const float> values, const exit_weights& exits) {
        std::vector<router_weights> found;
        for (std::size_t layer = 1; layer <= exits.model().layers; ++layer) {
            const std::string stem = std::string(info.name) + "." + std::to_string(layer);
            if (exits.find(stem + ".up.weight") == nullptr && exits.find(stem + ".down.weight") == nullptr) continue;
            found.push_back({layer, exits.linear(stem + ".up"), exits.linear(stem + ".down")});
        }
        if (found.empty()) {
            fail(errc::missing_tensor, exits.source(), ": tensor '", info.name,
                 ".LAYER.up.weight' is missing for every layer");
        }
        return mlp_router(std::move(found), values[0]);
    }

    /// @param weights for each exit layer, in any order; they must outlive the gate
    /// @param threshold a probability; > 1 never exits
    /// @throws error (wrong_shape, invalid_argument)
    explicit mlp_router(std::vector<router_weights> weights, float threshold = 0.9f)
        : routers_(std::move(weights)), threshold_(threshold) {
        if (routers_.empty()) fail(errc::invalid_argument, "mlp_router: expected the weights of a layer, found none");
        std::ranges::sort(routers_, {}, &router_weights::layer);
        for (std::size_t i = 0; i < routers_.size(); ++i) {
            const auto& [layer, up, down] = routers_[i];
            if (layer == 0) fail(errc::invalid_argument, "mlp_router: layers are numbered from 1, found 0");
            if (i != 0 && routers_[i - 1].layer == layer) {
                fail(errc::invalid_argument, "mlp_router: layer ", layer, " is given twice");
            }
            if (up.outputs == 0 || down.outputs != 1 || down.inputs != up.outputs) {
                fail(errc::wrong_shape, "mlp_router: layer ", layer, ": expected weights [hidden, d_model] and [1, ",
                     "hidden], found [", up.outputs, ", ", up.inputs, "] and [", down.outputs, ", ", down.inputs, "]");
            }
        }
    }

    /// Returns the probability that the exit after a layer is correct, for a hidden state [d_model]; nothing for a
    /// layer without weights.
    [[nodiscard]] std::optional<float> probability(std::size_t layer, std::span<const float> hidden) const noexcept {
        const auto found = std::ranges::find(routers_, layer, &router_weights::layer);
        if (found == routers_.end()) return std::nullopt;
        const auto& [at, up, down] = *found;
        const float squares = kernels::dot(hidden.data(), hidden.data(), hidden.size());
        const float scale = 1.0f / std::sqrt(squares / static_cast<float>(hidden.size()) + 1e-6f);
        float sum = down.bias.empty() ? 0.0f : down.bias.front();
        for (std::size_t j = 0; j < up.outputs; ++j) {
            float x = scale * kernels::dot(up.weight.data() + j * up.inputs, hidden.data(), up.inputs);
            if (!up.bias.empty()) x += up.bias[j];
            sum += down.weight[j] * x / (1.0f + std::exp(-x));
        }
        return 1.0f / (1.0f + std::exp(-sum));
    }

    decision operator()(const auto& s) const noexcept {
        const std::optional<float> right = probability(s.layer(), s.hidden_state());
        return right && *right >= threshold_ ? decision::exit : decision::go_on;
    }

    /// @throws error (mismatch) when the model's hidden state has another width, or the model too few layers
    void check(const model_shape& shape) const {
        for (const router_weights& router : routers_) {
            if (router.up.inputs != shape.d_model || router.layer > shape.layers) {
                fail(errc::mismatch, "mlp_router: expected a model with d_model = ", router.up.inputs, " and at least ",
                     router.layer, " layers, found ", shape.d_model, " and ", shape.layers);
            }
        }
    }

private:
    std::vector<router_weights> routers_;
    float threshold_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
