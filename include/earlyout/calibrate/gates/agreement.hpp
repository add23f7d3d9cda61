// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_GATES_AGREEMENT_HPP
#define EARLYOUT_CALIBRATE_GATES_AGREEMENT_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/fit_linear.hpp>
#include <earlyout/calibrate/fitted_gate.hpp>
#include <earlyout/calibrate/gates/layer_gate.hpp>
#include <earlyout/exit/gates/agreement.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Fits agreement: at each exit a logistic map to whether full depth predicts the same token, convex, then scaled and
/// shifted (Platt, 1999) on text that it was not fitted to.
struct agreement_fit {
    static constexpr std::string_view gate = agreement::info.name;

    linear_fit_options linear{};

    /// @throws error as fit_linear
    [[nodiscard]] fitted_gate operator()(const gate_fit_data& data) const {
        fitted_gate made{.gate = std::string(gate), .tensors = {}, .exits = {}, .temperatures = {}};
        for (std::size_t e = 0; e + 1 < data.fit.exit_count() && !data.cancel.stop_requested(); ++e) {
            fitted_layer_gate fitted = fit(data.fit, e);
            const calibration_set& seen = data.validation;
            fitted.share_wrong =
                1.0 - scale_to_observed(
                          fitted, seen.size(),
                          [&] {
                              return [&, now = agreement({{fitted.layer, fitted.map.view()}})](std::size_t i) {
                                  return *now.probability(fitted.layer, seen.max_probability(e, i), seen.margin(e, i));
                              };
                          },
                          [&](std::size_t i) { return seen.agrees(e, i); });
            made.add(std::to_string(fitted.layer) + ".", fitted.map);
            made.exits.push_back({fitted.layer,
                                  fitted.map.loss,
                                  fitted.map.steps,
                                  {{"exit", 1.0 - fitted.share_wrong, fitted.before, fitted.after}}});
        }
        return made;
    }

private:
    [[nodiscard]] fitted_layer_gate fit(const calibration_set& seen, std::size_t e) const {
        std::vector<float> features;
        std::vector<std::uint8_t> agrees;
        for (std::size_t i = 0; i < seen.size(); ++i) {
            const auto u = agreement_features(seen.max_probability(e, i), seen.margin(e, i));
            features.insert(features.end(), u.begin(), u.end());
            agrees.push_back(seen.agrees(e, i) ? 1 : 0);
        }
        const labelled_rows part{features, agrees};
        fitted_layer_gate made;
        made.layer = seen.layer(e);
        made.map = fit_linear({&part, 1}, agreement_features(0.0f, 0.0f).size(), 2, linear);
        return made;
    }
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
