// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_GATES_SEC_GATE_HPP
#define EARLYOUT_CALIBRATE_GATES_SEC_GATE_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/fit_linear.hpp>
#include <earlyout/calibrate/fitted_gate.hpp>
#include <earlyout/calibrate/labels.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/exit/gates/sec_gate.hpp>
#include <earlyout/kernels/dot.hpp>

#include <boost/math/tools/minima.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Fits SEC's gate (sec_gate): one map to stop, exit and continue for all exits, the loss of each weighted by its layer
/// number (Sun et al., ICSE 2024). The paper's has no bias and uses label_rule::paper.
/// @throws error as fit_linear
[[nodiscard]] inline fitted_linear fit_sec_gate(const calibration_set& seen, label_rule rule,
                                                const linear_fit_options& options = {.bias = false}) try {
    std::vector<std::vector<std::uint8_t>> labels(seen.exit_count());
    std::vector<labelled_rows> parts;
    for (std::size_t e = 0; e < seen.exit_count(); ++e) {
        for (std::size_t i = 0; i < seen.size(); ++i) {
            labels[e].push_back(static_cast<std::uint8_t>(label_of(seen, e, i, rule)));
        }
        parts.push_back({seen.hidden(e), labels[e], static_cast<double>(seen.layer(e))});
    }
    return fit_linear(parts, seen.d_model(), 3, options);
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

/// Fits one such gate for each exit, full depth included, where it may still stop.
/// @throws error as fit_linear
[[nodiscard]] inline std::vector<fitted_linear> fit_sec_gates(const calibration_set& seen, label_rule rule,
                                                              const linear_fit_options& options = {}) try {
    std::vector<fitted_linear> made;
    for (std::size_t e = 0; e < seen.exit_count(); ++e) {
        std::vector<std::uint8_t> labels;
        for (std::size_t i = 0; i < seen.size(); ++i) {
            labels.push_back(static_cast<std::uint8_t>(label_of(seen, e, i, rule)));
        }
        const labelled_rows part{seen.hidden(e), labels};
        made.push_back(fit_linear({&part, 1}, seen.d_model(), 3, options));
    }
    return made;
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

/// Divides each of SEC's maps by the temperature under which its probabilities best fit text that it was not fitted to
/// (Guo et al., ICML 2017): the most likely class does not change, and a map without a bias needs none.
/// @param gates one for all exits, or one for each
/// @param seen  the same exits on other text
/// @return their temperatures
/// @throws error (mismatch) when the gates are neither one nor one per exit, (invalid_argument) without tokens
inline std::vector<double> calibrate_sec_gates(std::vector<fitted_linear>& gates, const calibration_set& seen,
                                               label_rule rule) try {
    const std::size_t exits = seen.exit_count();
    if (gates.size() != 1 && gates.size() != exits) {
        fail(errc::mismatch, "calibrate: expected 1 gate or ", exits, ", found ", gates.size());
    }
    if (seen.size() == 0) fail(errc::invalid_argument, "calibrate: expected tokens, found none");
    std::vector<double> temperatures;
    for (std::size_t g = 0; g < gates.size(); ++g) {
        fitted_linear& gate = gates[g];
        std::vector<std::array<float, 3>> below;  // logits minus that of the label
        for (std::size_t e = gates.size() == 1 ? 0 : g; e < (gates.size() == 1 ? exits : g + 1); ++e) {
            for (std::size_t i = 0; i < seen.size(); ++i) {
                std::array<float, 3> logits{};
                for (std::size_t c = 0; c < 3; ++c) {
                    logits[c] =
                        kernels::dot(gate.weight.data() + c * gate.inputs, seen.hidden(e, i).data(), gate.inputs);
                    if (!gate.bias.empty()) logits[c] += gate.bias[c];
                }
                const float truth = logits[static_cast<std::size_t>(label_of(seen, e, i, rule))];
                for (float& logit : logits) logit -= truth;
                below.push_back(logits);
            }
        }
        const auto loss = [&](double log_scale) {
            const double scale = std::exp(log_scale);
            double sum = 0.0;
            for (const auto& logits : below) {
                double most = 0.0;
                for (const float logit : logits) most = std::max(most, scale * static_cast<double>(logit));
                double all = 0.0;
                for (const float logit : logits) all += std::exp(scale * static_cast<double>(logit) - most);
                sum += most + std::log(all);
            }
            return sum;
        };
        constexpr double widest = 4.0;  // gates that are always or never correct have no best temperature
        const double best = boost::math::tools::brent_find_minima(loss, -widest, widest, 20).first;
        const auto scale = static_cast<float>(std::exp(best));
        for (float& w : gate.weight) w *= scale;
        for (float& b : gate.bias) b *= scale;
        temperatures.push_back(std::exp(-best));
    }
    return temperatures;
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

/// Fits sec_gate and calibrates it by a temperature.
struct sec_fit {
    static constexpr std::string_view gate = sec_gate::info.name;

    label_rule labels = label_rule::right;
    bool bias = false;          ///< the paper's has none
    bool each = false;          ///< one map per exit, full depth included, instead of one for all
    bool is_calibrated = true;  ///< the paper's is not

    [[nodiscard]] fitted_gate operator()(const gate_fit_data& data) const {
        std::vector<fitted_linear> maps = each ? fit_sec_gates(data.fit, labels, {.bias = bias})
                                               : std::vector{fit_sec_gate(data.fit, labels, {.bias = bias})};
        fitted_gate made{.gate = std::string(gate), .tensors = {}, .exits = {}, .temperatures = {}};
        for (std::size_t e = 0; e < data.validation.exit_count(); ++e) {
            const fitted_linear& map = maps[each ? e : 0];
            made.exits.push_back(
                {data.validation.layer(e), map.loss, map.steps, {{"exit", 0.0, {}, {}}, {"stop", 0.0, {}, {}}}});
        }
        evaluate(maps, data.validation, made, &gate_calibration::before);
        if (is_calibrated && !data.cancel.stop_requested()) {
            made.temperatures = calibrate_sec_gates(maps, data.validation, labels);
        }
        evaluate(maps, data.validation, made, &gate_calibration::after);
        for (std::size_t e = 0; e < maps.size(); ++e) {
            made.add(each ? std::to_string(data.fit.layer(e)) + "." : std::string(), maps[e]);
        }
        return made;
    }

private:
    void evaluate(const std::vector<fitted_linear>& maps, const calibration_set& seen, fitted_gate& into,
                  reliability gate_calibration::*which) const {
        for (std::size_t e = 0; e < seen.exit_count(); ++e) {
            const sec_gate now(maps[each ? e : 0].view());
            std::array<std::size_t, 2> counts{};
            for (std::size_t i = 0; i < seen.size(); ++i) {
                const auto p = now.probabilities(seen.hidden(e, i));
                const gate_label label = label_of(seen, e, i, labels);
                (into.exits[e].decisions[0].*which).add(static_cast<double>(p[1]), label == gate_label::exit);
                (into.exits[e].decisions[1].*which).add(static_cast<double>(p[0]), label == gate_label::stop);
                counts[0] += label == gate_label::exit;
                counts[1] += label == gate_label::stop;
            }
            for (std::size_t d = 0; d < 2; ++d) {
                into.exits[e].decisions[d].share =
                    static_cast<double>(counts[d]) / static_cast<double>(std::max<std::size_t>(1, seen.size()));
            }
        }
    }
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
