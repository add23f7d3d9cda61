// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_MACHINE_POLICY_HPP
#define EARLYOUT_CALIBRATE_MACHINE_POLICY_HPP

#include <earlyout/calibrate/costs_json.hpp>
#include <earlyout/calibrate/policy_front.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/measure_costs.hpp>
#include <earlyout/generate/policy_spec.hpp>
#include <earlyout/generate/step_costs.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// The policy to follow on this machine.
struct machine_policy {
    policy_spec policy;            ///< full depth where none is faster
    double loss_high = 0.0;        ///< upper end of the loss's interval, as fit measured it; 0 at full depth
    double speedup = 1.0;          ///< that the costs let expect
    bool is_measured = false;      ///< chosen by a measurement on this machine, not by the costs stored with the exits
    double measure_seconds = 0.0;  ///< that it took
    step_costs costs;
};

/// Chooses, from the front that was stored with a model's exits, the policy that is fastest on this machine. Where no
/// costs are stored for these conditions (processor, instruction set, weight format, threads), they are measured.
/// @param max_loss of ROUGE-L; nothing: what the fit aimed at
/// @return nothing where the exits were stored without a front
/// @throws error as read_costs(), read_front(), measure_step_costs()
template <has_fitted_exits Model>
[[nodiscard]] std::optional<machine_policy> choose_for_machine(const Model& model, const cost_options& options = {},
                                                               std::optional<double> max_loss = std::nullopt) {
    const exit_weights& exits = model.exits();
    const std::optional<stored_front> front = read_front(exits);
    if (!front) return std::nullopt;
    const std::vector<stored_costs> stored = read_costs(exits);
    const auto here = std::ranges::find(stored, conditions_of(model, options.session),
                                        [](const stored_costs& s) { return s.costs.measured_on; });
    machine_policy made;
    made.is_measured = here == stored.end();
    if (made.is_measured) {
        const auto begun = std::chrono::steady_clock::now();
        made.costs = measure_step_costs(model, options);
        made.measure_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    } else {
        made.costs = here->costs;
    }
    const std::size_t layers = network_of(model).shape().layers;
    const front_policy* best = fastest_of(front->policies, made.costs, layers, max_loss.value_or(front->loss));
    if (!made.is_measured && !max_loss) {  // what was chosen here, where fit timed it
        made.policy = here->policy;
        const auto found = std::ranges::find(front->policies, here->policy, &front_policy::policy);
        best = found == front->policies.end() ? nullptr : &*found;
    }
    if (best != nullptr) {
        made.policy = best->policy;
        made.loss_high = best->loss_high;
        made.speedup = speedup_of(best->work, made.costs, best->policy, layers);
    }
    return made;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
