// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_GATES_LEARN_TO_EXIT_HPP
#define EARLYOUT_CALIBRATE_GATES_LEARN_TO_EXIT_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/fit_linear.hpp>
#include <earlyout/calibrate/fitted_gate.hpp>
#include <earlyout/calibrate/gates/layer_gate.hpp>
#include <earlyout/calibrate/labels.hpp>
#include <earlyout/exit/gates/learn_to_exit.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Fits learn_to_exit's maps, one for each exit but full depth: the probability that exiting there violates the label
/// rule.
/// @throws error as fit_linear
[[nodiscard]] inline std::vector<fitted_layer_gate> fit_learn_to_exit(const calibration_set& seen, label_rule rule,
                                                                      const linear_fit_options& options = {}) try {
    std::vector<fitted_layer_gate> made;
    for (std::size_t e = 0; e + 1 < seen.exit_count(); ++e) {
        std::vector<std::uint8_t> wrong;
        for (std::size_t i = 0; i < seen.size(); ++i) wrong.push_back(is_correct_exit(seen, e, i, rule) ? 0 : 1);
        const labelled_rows part{seen.hidden(e), wrong};
        fitted_layer_gate& gate = made.emplace_back();
        gate.layer = seen.layer(e);
        gate.map = fit_linear({&part, 1}, seen.d_model(), 2, options);
    }
    return made;
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

/// Scales and shifts each map (Platt, 1999) so that its probabilities match those observed on text it was not fitted
/// to, and records its reliability there before and after.
/// @param seen the same exits on other text
/// @throws error (mismatch) when the exits are not those of the gates
inline void calibrate_learn_to_exit(std::vector<fitted_layer_gate>& gates, const calibration_set& seen,
                                    label_rule rule) try {
    if (gates.size() + 1 != seen.exit_count()) {
        fail(errc::mismatch, "calibrate: expected observations of ", gates.size() + 1, " exits, found ",
             seen.exit_count());
    }
    for (std::size_t e = 0; e < gates.size(); ++e) {
        fitted_layer_gate& gate = gates[e];
        gate.share_wrong = scale_to_observed(
            gate, seen.size(),
            [&] {
                return [&, now = learn_to_exit({{gate.layer, gate.map.view()}})](std::size_t i) {
                    return *now.predicted_error(gate.layer, seen.hidden(e, i));
                };
            },
            [&](std::size_t i) { return !is_correct_exit(seen, e, i, rule); });
    }
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

/// Simulated effect of a threshold, given the true text before every token.
struct simulated_exits {
    float threshold = 0.0f;
    double layers_skipped = 0.0;
    double accuracy = 0.0;  ///< share of tokens at which the chosen exit is correct
    double agrees = 0.0;    ///< share of tokens at which it agrees with full depth
};

/// Simulates each token: it exits at the first gate whose predicted error is at most the threshold.
[[nodiscard]] inline simulated_exits simulate_exits(const std::vector<fitted_layer_gate>& gates,
                                                    const calibration_set& seen, float threshold) try {
    std::vector<layer_weights> maps;
    for (const fitted_layer_gate& gate : gates) maps.push_back({gate.layer, gate.map.view()});
    const learn_to_exit gate(maps);
    std::size_t layers = 0;
    std::size_t right = 0;
    std::size_t agrees = 0;
    for (std::size_t i = 0; i < seen.size(); ++i) {
        std::size_t e = 0;
        while (e + 1 < seen.exit_count() && !(*gate.predicted_error(seen.layer(e), seen.hidden(e, i)) <= threshold)) {
            ++e;
        }
        layers += seen.layer(e);
        right += seen.right(e, i);
        agrees += seen.agrees(e, i);
    }
    const auto count = static_cast<double>(std::max<std::size_t>(1, seen.size()));
    const auto depth = static_cast<double>(seen.layer(seen.exit_count() - 1));
    return {threshold, 1.0 - static_cast<double>(layers) / count / depth, static_cast<double>(right) / count,
            static_cast<double>(agrees) / count};
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

/// Fits learn_to_exit and calibrates it.
struct learn_to_exit_fit {
    static constexpr std::string_view gate = learn_to_exit::info.name;

    label_rule labels = label_rule::agrees;
    linear_fit_options linear{};

    [[nodiscard]] fitted_gate operator()(const gate_fit_data& data) const {
        std::vector<fitted_layer_gate> gates = fit_learn_to_exit(data.fit, labels, linear);
        if (!data.cancel.stop_requested()) calibrate_learn_to_exit(gates, data.validation, labels);
        fitted_gate made{.gate = std::string(gate), .tensors = {}, .exits = {}, .temperatures = {}};
        for (const fitted_layer_gate& fitted : gates) {
            made.add(std::to_string(fitted.layer) + ".", fitted.map);
            made.exits.push_back({fitted.layer,
                                  fitted.map.loss,
                                  fitted.map.steps,
                                  {{"wrong", fitted.share_wrong, fitted.before, fitted.after}}});
        }
        return made;
    }
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
