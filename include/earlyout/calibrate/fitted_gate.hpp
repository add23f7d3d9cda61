// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_FITTED_GATE_HPP
#define EARLYOUT_CALIBRATE_FITTED_GATE_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/fit_linear.hpp>
#include <earlyout/calibrate/reliability.hpp>
#include <earlyout/exit/exit_weights.hpp>

#include <concepts>
#include <cstddef>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Calibration of a gate's probability of one decision, on text that it was not fitted to.
struct gate_calibration {
    std::string decision;  ///< the event whose probability it is: "exit", "stop" or "wrong" (exiting is wrong)
    double share = 0.0;    ///< share of the tokens for which the decision is correct
    reliability before;    ///< as fitted
    reliability after;     ///< after calibration

    void archive(auto& a) { a(decision, share, before, after); }
};

/// A gate after one exit.
struct fitted_exit {
    std::size_t layer = 0;
    double loss = 0.0;      ///< nats, mean over the rows it was fitted to; that of all exits where they share a map
    std::size_t steps = 0;  ///< of the fit
    std::vector<gate_calibration> decisions;

    void archive(auto& a) { a(layer, loss, steps, decisions); }
};

/// A fitted gate: the tensors that the sidecar stores, and its quality at each exit.
struct fitted_gate {
    struct tensor {
        std::string name;  ///< after `GATE.`: "3.weight"
        std::vector<std::size_t> shape;
        std::vector<float> values;

        void archive(auto& a) { a(name, shape, values); }
    };

    std::string gate;  ///< name in the catalogue
    std::vector<tensor> tensors;
    std::vector<fitted_exit> exits;
    std::vector<double> temperatures;  ///< by which its logits were divided; empty: not scaled

    /// Adds `PREFIXweight`, and `PREFIXbias` if there is one.
    void add(const std::string& prefix, const fitted_linear& map) {
        tensors.push_back({prefix + "weight", {map.outputs, map.inputs}, map.weight});
        if (!map.bias.empty()) tensors.push_back({prefix + "bias", {map.outputs}, map.bias});
    }
    void archive(auto& a) { a(gate, tensors, exits, temperatures); }
    /// Stores the tensors under the names that the gate reads.
    void store(exit_weights& into) const {
        for (const tensor& t : tensors) into.set(gate + "." + t.name, t.shape, t.values);
    }
};

/// Data that a gate is fitted to: outputs of every exit on texts, and on others for calibration.
struct gate_fit_data {
    const calibration_set& fit;
    const calibration_set& validation;
    std::stop_token cancel{};
};

/// Fits one gate of the catalogue: a value whose members are the options of the fit. The default implementation is
/// learn_to_exit_fit.
template <class Fit>
concept gate_fit = requires(const Fit& fit, const gate_fit_data& data) {
    { Fit::gate } -> std::convertible_to<std::string_view>;
    { fit(data) } -> std::same_as<fitted_gate>;
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
