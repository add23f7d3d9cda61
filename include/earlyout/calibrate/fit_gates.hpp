// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_FIT_GATES_HPP
#define EARLYOUT_CALIBRATE_FIT_GATES_HPP

#include <earlyout/calibrate/fit_linear.hpp>
#include <earlyout/calibrate/kept_observations.hpp>
#include <earlyout/calibrate/labels.hpp>
#include <earlyout/calibrate/reliability.hpp>
#include <earlyout/exit/gates/jei_dnn.hpp>
#include <earlyout/exit/gates/learn_to_exit.hpp>
#include <earlyout/exit/gates/logistic_maps.hpp>
#include <earlyout/exit/gates/sec_gate.hpp>
#include <earlyout/kernels/dot.hpp>

#include <boost/math/tools/minima.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Fits SEC's gate (sec_gate): one map to stop, exit and go on for all exits, the loss of each weighted by its layer's
/// number (Sun et al., ICSE 2024). The paper's has no bias and label_rule::paper.
/// @throws error as fit_linear
[[nodiscard]] inline fitted_linear fit_sec_gate(const kept_observations& seen, label_rule rule,
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

/// Fits one such gate for each exit, full depth included, whose last answer it may stop.
/// @throws error as fit_linear
[[nodiscard]] inline std::vector<fitted_linear> fit_sec_gates(const kept_observations& seen, label_rule rule,
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

/// The gate after one layer, and what it is worth on text it was not fitted to.
struct fitted_layer_gate {
    std::size_t layer = 0;
    fitted_linear map;         ///< sigmoid(map(h)): predicted probability that leaving here is wrong (jei_dnn: right)
    double share_wrong = 0.0;  ///< of the tokens it was judged on (jei_dnn: fitted to), leaving here is wrong
    reliability before;        ///< of its probabilities, as fitted
    reliability after;         ///< ... calibrated
};

/// Fits learn_to_exit's maps, one for each exit but full depth: the probability that leaving there is not what the
/// rule wants.
/// @throws error as fit_linear
[[nodiscard]] inline std::vector<fitted_layer_gate> fit_learn_to_exit(const kept_observations& seen, label_rule rule,
                                                                      const linear_fit_options& options = {}) try {
    std::vector<fitted_layer_gate> made;
    for (std::size_t e = 0; e + 1 < seen.exit_count(); ++e) {
        std::vector<std::uint8_t> wrong;
        for (std::size_t i = 0; i < seen.size(); ++i) wrong.push_back(may_leave(seen, e, i, rule) ? 0 : 1);
        const labelled_rows part{seen.hidden(e), wrong};
        fitted_layer_gate& gate = made.emplace_back();
        gate.layer = seen.layer(e);
        gate.map = fit_linear({&part, 1}, seen.d_model(), 2, options);
    }
    return made;
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

/// Fits jei_dnn's gates, one for each exit but full depth. Token i is to leave at l* = argmin_l (CE_l + lambda l / L),
/// and the gate after layer l should say 1 where l >= l* (JEI-DNN, arXiv 2310.09163, with the layers as cost). A larger
/// lambda leaves earlier.
/// @throws error as fit_linear
[[nodiscard]] inline std::vector<fitted_layer_gate> fit_jei_dnn(const kept_observations& seen, double lambda,
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

/// Scales and shifts each map (Platt, 1999) so that its probabilities are those observed on text it was not fitted
/// to, and notes its reliability there before and after.
/// @param seen the same exits on other text
/// @throws error (mismatch) when the exits are not those of the gates
inline void calibrate_gates(std::vector<fitted_layer_gate>& gates, const kept_observations& seen, label_rule rule) try {
    if (gates.size() + 1 != seen.exit_count()) {
        fail(errc::mismatch, "calibrate: expected observations of ", gates.size() + 1, " exits, found ",
             seen.exit_count());
    }
    for (std::size_t e = 0; e < gates.size(); ++e) {
        fitted_layer_gate& gate = gates[e];
        std::size_t wrong = 0;
        const auto judge = [&](reliability& into) {
            const learn_to_exit now({{gate.layer, gate.map.view()}});
            for (std::size_t i = 0; i < seen.size(); ++i) {
                const float error = *now.predicted_error(gate.layer, seen.hidden(e, i));
                into.add(static_cast<double>(error), !may_leave(seen, e, i, rule));
            }
        };
        judge(gate.before);
        for (std::size_t i = 0; i < seen.size(); ++i) wrong += !may_leave(seen, e, i, rule);
        gate.share_wrong = static_cast<double>(wrong) / static_cast<double>(std::max<std::size_t>(1, seen.size()));
        const platt_scaling fitted = gate.before.fit_platt();
        for (float& w : gate.map.weight) w *= static_cast<float>(fitted.scale);
        gate.map.bias.resize(1);
        gate.map.bias[0] = static_cast<float>(fitted.scale * static_cast<double>(gate.map.bias[0]) + fitted.offset);
        judge(gate.after);
    }
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

/// Divides each of SEC's maps by the temperature under which its probabilities fit text best that it was not fitted to
/// (Guo et al., ICML 2017): the likeliest class stays the likeliest, and a map without a bias needs none.
/// @param gates one for all exits, or one for each
/// @param seen  the same exits on other text
/// @return their temperatures
/// @throws error (mismatch) when the gates are neither one nor as many as the exits, (invalid_argument) without tokens
inline std::vector<double> calibrate_sec_gates(std::vector<fitted_linear>& gates, const kept_observations& seen,
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
        constexpr double widest = 4.0;  // where a gate is always or never right, there is no best one
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

/// What a threshold would do if every token's past were the true text.
struct forced_exits {
    float threshold = 0.0f;
    double layers_skipped = 0.0;
    double accuracy = 0.0;  ///< share of tokens at which the exit taken is right
    double agrees = 0.0;    ///< ... answers as full depth
};

/// Walks every token up until a gate's predicted error is at most the threshold.
[[nodiscard]] inline forced_exits walk(const std::vector<fitted_layer_gate>& gates, const kept_observations& seen,
                                       float threshold) try {
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

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
