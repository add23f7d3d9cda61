// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_GATES_HPP
#define EARLYOUT_CALIBRATE_GATES_HPP

#include <earlyout/calibrate/fitted_gate.hpp>
#include <earlyout/calibrate/gates/agreement.hpp>
#include <earlyout/calibrate/gates/jei_dnn.hpp>
#include <earlyout/calibrate/gates/learn_to_exit.hpp>
#include <earlyout/calibrate/gates/mlp_router.hpp>
#include <earlyout/calibrate/gates/sec_gate.hpp>

#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// The fit of each fitted gate of the catalogue, with its options. To add one, add its type here.
using gate_fits = std::tuple<learn_to_exit_fit, mlp_router_fit, jei_dnn_fit, agreement_fit, sec_fit>;

/// Calls `visit` with each fit.
template <class Fits, class Visit>
void for_each_fit(Fits& fits, Visit visit) {
    std::apply([&](auto&... fit) { (visit(fit), ...); }, fits);
}

/// Returns the names of the gates that can be fitted.
[[nodiscard]] inline std::vector<std::string> fitted_gate_names() {
    std::vector<std::string> names;
    const gate_fits fits;
    for_each_fit(fits, [&](const auto& fit) { names.emplace_back(fit.gate); });
    return names;
}

/// Fits the gate of that name; returns an empty one for a gate without a fit.
[[nodiscard]] inline fitted_gate fit_gate(const gate_fits& fits, std::string_view name, const gate_fit_data& data) {
    fitted_gate made;
    for_each_fit(fits, [&](const auto& fit) {
        if (fit.gate == name) made = fit(data);
    });
    return made;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
