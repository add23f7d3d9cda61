// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_GATES_JEI_DNN_HPP
#define EARLYOUT_CALIBRATE_GATES_JEI_DNN_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/fit_linear.hpp>
#include <earlyout/calibrate/fitted_gate.hpp>
#include <earlyout/calibrate/gates/layer_gate.hpp>
#include <earlyout/exit/gates/jei_dnn.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Fits jei_dnn's gates, one for each exit but full depth. Token i should exit at l* = argmin_l (CE_l + lambda l / L),
/// and the gate after layer l should output 1 where l >= l* (JEI-DNN, arXiv 2310.09163, with the layers as cost). A
/// larger lambda makes tokens exit earlier.
/// @throws error as fit_linear
[[nodiscard]] inline std::vector<fitted_layer_gate> fit_jei_dnn(const calibration_set& seen, double lambda,
                                                                const linear_fit_options& options = {}) try {
    const std::size_t exits = seen.exit_count();
    std::vector<std::size_t> best(seen.size());
    for (std::size_t i = 0; i < seen.size(); ++i) {
        const auto cost = [&](std::size_t e) {
            return static_cast<double>(seen.cross_entropy(e, i)) +
                   lambda * static_cast<double>(seen.layer(e)) / static_cast<double>(seen.layer(exits - 1));
        };
        for (std::size_t e = 1; e < exits; ++e) {
            if (cost(e) < cost(best[i])) best[i] = e;
        }
    }
    std::vector<fitted_layer_gate> made;
    for (std::size_t e = 0; e + 1 < exits; ++e) {
        std::vector<float> features;
        std::vector<std::uint8_t> leaves;
        std::size_t leaving = 0;
        for (std::size_t i = 0; i < seen.size(); ++i) {
            const auto u = seen.jei_features(e, i);
            features.insert(features.end(), u.begin(), u.end());
            leaves.push_back(e >= best[i] ? 1 : 0);
            leaving += leaves.back();
        }
        const labelled_rows part{features, leaves};
        fitted_layer_gate& gate = made.emplace_back();
        gate.layer = seen.layer(e);
        gate.map = fit_linear({&part, 1}, 4, 2, options);
        gate.share_wrong =
            1.0 - static_cast<double>(leaving) / static_cast<double>(std::max<std::size_t>(1, seen.size()));
    }
    return made;
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

/// Fits jei_dnn.
struct jei_dnn_fit {
    static constexpr std::string_view gate = jei_dnn::info.name;

    double lambda = 0.3;  ///< cost of full depth in nats; larger values exit earlier
    linear_fit_options linear{};

    [[nodiscard]] fitted_gate operator()(const gate_fit_data& data) const {
        fitted_gate made{.gate = std::string(gate), .tensors = {}, .exits = {}, .temperatures = {}};
        for (const fitted_layer_gate& fitted : fit_jei_dnn(data.fit, lambda, linear)) {
            made.add(std::to_string(fitted.layer) + ".", fitted.map);
            made.exits.push_back(
                {fitted.layer, fitted.map.loss, fitted.map.steps, {{"exit", 1.0 - fitted.share_wrong, {}, {}}}});
        }
        return made;
    }
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
