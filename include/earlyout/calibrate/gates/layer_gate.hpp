// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_GATES_LAYER_GATE_HPP
#define EARLYOUT_CALIBRATE_GATES_LAYER_GATE_HPP

#include <earlyout/calibrate/fit_linear.hpp>
#include <earlyout/calibrate/fitted_gate.hpp>
#include <earlyout/calibrate/reliability.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// The gate after one layer, and its quality on text it was not fitted to.
struct fitted_layer_gate {
    std::size_t layer = 0;
    fitted_linear map;         ///< sigmoid(map(h)): predicted probability that exiting here is wrong (jei_dnn: correct)
    double share_wrong = 0.0;  ///< share of evaluated tokens (jei_dnn: fitted to) for which exiting is wrong
    reliability before;        ///< of its probabilities, as fitted
    reliability after;         ///< ... calibrated
};

/// Scales and shifts a gate's map (Platt, 1999) so that its probabilities match how often the event happens on text it
/// was not fitted to, and records its reliability there before and after.
/// @param tokens  of that text
/// @param current returns a function from a token to what the gate's map, as it is now, says of it
/// @param happens returns whether the event happens for a token
/// @return the share of tokens for which it does
template <class Current, class Happens>
double scale_to_observed(fitted_layer_gate& gate, std::size_t tokens, Current current, Happens happens) {
    const auto judge = [&](reliability& into) {
        const auto probability = current();
        for (std::size_t i = 0; i < tokens; ++i) into.add(static_cast<double>(probability(i)), happens(i));
    };
    judge(gate.before);
    const platt_scaling fitted = gate.before.fit_platt();
    for (float& w : gate.map.weight) w *= static_cast<float>(fitted.scale);
    gate.map.bias.resize(1);
    gate.map.bias[0] = static_cast<float>(fitted.scale * static_cast<double>(gate.map.bias[0]) + fitted.offset);
    judge(gate.after);
    std::size_t count = 0;
    for (std::size_t i = 0; i < tokens; ++i) count += happens(i) ? 1 : 0;
    return static_cast<double>(count) / static_cast<double>(std::max<std::size_t>(1, tokens));
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
