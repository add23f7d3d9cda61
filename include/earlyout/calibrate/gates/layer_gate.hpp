// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_GATES_LAYER_GATE_HPP
#define EARLYOUT_CALIBRATE_GATES_LAYER_GATE_HPP

#include <earlyout/calibrate/fit_linear.hpp>
#include <earlyout/calibrate/fitted_gate.hpp>
#include <earlyout/calibrate/reliability.hpp>

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

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
