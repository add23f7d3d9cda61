// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_JEI_DNN_HPP
#define EARLYOUT_EXIT_GATES_JEI_DNN_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>
#include <earlyout/exit/gates/logistic_maps.hpp>
#include <earlyout/kernels/argmax.hpp>
#include <earlyout/kernels/softmax.hpp>

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

/// Returns the features of JEI-DNN's gates: p1, H(p), p1 - p2 and H(q) with q = p^2 / sum p^2, p = softmax(logits),
/// entropies in nats. For fitting such gates. logits: [vocab], vocab >= 1
[[nodiscard]] inline std::array<float, 4> jei_features(std::span<const float> logits) noexcept {
    const kernels::top_two top = kernels::find_top_two(logits.data(), logits.size());
    const float log_sum = kernels::log_sum_exp(logits.data(), logits.size(), top.first);
    const float p1 = std::exp(top.first - log_sum);
    return {p1, kernels::entropy(logits.data(), logits.size(), log_sum), p1 - std::exp(top.second - log_sum),
            kernels::entropy_of_squares(logits.data(), logits.size(), top.first)};
}

/// Gates fitted jointly over exits (JEI-DNN, arXiv 2310.09163). After each exit layer g = sigmoid(w . u + b) of u =
/// jei_features(logits) is the share of tokens that should exit there. With S the sum of the earlier g and P the
/// product of the earlier (1 - a), the remaining share is max(0, min(g, 1 - S)), a token that reached this exit exits
/// with probability a = that / P, at most 1, and the gate exits when a >= threshold. Once S >= 1 no tokens remain: a =
/// 1.
///
/// S sums g itself, as in the paper's code; summing the shares instead gives the same, since they are g until S reaches
/// 1 and 0 afterwards. Earlier exits are those at which this gate was evaluated and had weights; it continues after a
/// layer without weights. Costs the exit's logits and three exponentials for each.
class jei_dnn {
public:
    static constexpr signal_set signals =
        signal::logits | signal::argmax | signal::max_probability | signal::margin | signal::entropy;
    static constexpr threshold_direction direction = threshold_direction::higher_is_conservative;

    struct token_state {
        float sum = 0.0f;      ///< S, of the earlier exits' g
        float staying = 1.0f;  ///< P, product of the earlier exits' 1 - a
    };

    static constexpr float grid[]{0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.4f, 0.3f};
    static constexpr gate_parameter parameters[]{{.name = "threshold",
                                                  .meaning = "probability of exiting, at least",
                                                  .comparison = ">=",
                                                  .otherwise = 0.5f,
                                                  .direction = direction,
                                                  .grid = grid}};
    static constexpr std::string_view tensors[]{"weight", "bias"};
    static constexpr gate_info info{.name = "jei-dnn",
                                    .brief = "exits by the share of tokens that should, fitted jointly over exits",
                                    .parameters = parameters,
                                    .tensors = tensors};

    /// @throws error (missing_tensor, wrong_shape)
    static jei_dnn from(std::span<const float> values, const exit_weights& exits) {
        return jei_dnn(weights_by_layer(exits, info.name), values[0]);
    }

    /// @param weights [1, 4] and a bias [1] or none, for all layers; they must outlive the gate
    /// @param threshold a probability of exiting, .5 in the paper; > 1 never exits
    /// @throws error (wrong_shape)
    explicit jei_dnn(const linear_weights& weights, float threshold = 0.5f)
        : maps_("jei_dnn", weights), threshold_(threshold) {
        maps_.check_inputs(features);
    }
    /// @param weights as above for each exit layer, in any order
    /// @throws error (wrong_shape, invalid_argument)
    explicit jei_dnn(std::vector<layer_weights> weights, float threshold = 0.5f)
        : maps_("jei_dnn", std::move(weights)), threshold_(threshold) {
        maps_.check_inputs(features);
    }

    decision operator()(const auto& s, token_state& state) const {
        const std::span<const float> logits = s.logits();
        const float largest = logits[static_cast<std::size_t>(s.argmax())];
        const std::array<float, features> u{s.max_probability(), s.entropy(), s.margin(),
                                            kernels::entropy_of_squares(logits.data(), logits.size(), largest)};
        const std::optional<float> g = maps_(s.layer(), u.data());
        if (!g) return decision::go_on;
        const float leaving = probability_of_leaving(*g, state);
        state.sum += *g;
        state.staying *= 1.0f - leaving;
        return leaving >= threshold_ ? decision::exit : decision::go_on;
    }

    /// @throws error (mismatch) when there are weights for a layer that the model does not have
    void check(const model_shape& shape) const { maps_.check_depth(shape); }

private:
    static constexpr std::size_t features = 4;

    /// Returns a.
    static float probability_of_leaving(float g, const token_state& state) noexcept {
        if (state.sum >= 1.0f || state.staying <= 0.0f) return 1.0f;
        return std::clamp(std::min(g, 1.0f - state.sum) / state.staying, 0.0f, 1.0f);
    }

    detail::logistic_maps maps_;
    float threshold_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
