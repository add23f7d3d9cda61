// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_POLICY_FRONT_HPP
#define EARLYOUT_CALIBRATE_POLICY_FRONT_HPP

#include <earlyout/calibrate/measured_policy.hpp>
#include <earlyout/generate/policy_spec.hpp>
#include <earlyout/generate/step_costs.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// A policy that may be the fastest on some machine: its loss, which depends on no machine, and the work per token from
/// which a machine's costs give its speed.
struct front_policy {
    policy_spec policy;
    double loss = 0.0;       ///< of ROUGE-L, relative
    double loss_high = 0.0;  ///< upper end of its interval
    step_work work;          ///< of one token

    friend bool operator==(const front_policy&, const front_policy&) = default;
};

/// Returns the front of what was tried, by their loss: policies such that no other has at most its loss and at most its
/// work of every kind; of these, what by these costs is within `slack` of the fastest that loses no more, since another
/// machine's costs may turn that round.
/// @param confidence 0: means stand for the upper ends of intervals
[[nodiscard]] inline std::vector<front_policy> front_of(std::span<const gate_choice> choices, double max_loss,
                                                        double confidence, const step_costs& costs, std::size_t layers,
                                                        double slack = 0.1) {
    std::vector<front_policy> all;
    for (const gate_choice& choice : choices) {
        for (const measured_policy& row : choice.tried) {
            const bool is_known = row.intervals.rouge_l_loss.is_known();
            const double high = confidence > 0.0 && is_known ? row.intervals.rouge_l_loss.high : row.loss;
            if (row.work.tokens <= 0.0 || high > max_loss || row.layers_skipped <= 0.0) continue;
            step_work one = row.work;
            for (double step_work::*const count :
                 {&step_work::layers, &step_work::more_tokens, &step_work::keys_and_values, &step_work::outputs,
                  &step_work::gates}) {
                one.*count /= one.tokens;
            }
            one.tokens = 1.0;
            all.push_back({row.policy, row.loss, high, one});
        }
    }
    std::vector<front_policy> front;
    for (const front_policy& p : all) {
        const bool is_beaten = std::ranges::any_of(all, [&](const front_policy& other) {
            if (&other == &p || other.loss_high > p.loss_high || !other.work.is_within(p.work)) return false;
            // Of equal ones the first stays.
            return other.loss_high < p.loss_high || !p.work.is_within(other.work) || &other < &p;
        });
        if (!is_beaten) front.push_back(p);
    }
    std::ranges::stable_sort(front, {}, &front_policy::loss_high);
    std::vector<front_policy> kept;
    double fastest = 1.0;
    for (front_policy& p : front) {
        const double speedup = speedup_of(p.work, costs, p.policy, layers);
        fastest = std::max(fastest, speedup);
        if (speedup >= fastest * (1.0 - slack)) kept.push_back(std::move(p));
    }
    return kept;
}

/// Returns the policy of a front that these costs make the fastest, of those that lose no more than `loss` for all that
/// is known; nullptr where none is faster than full depth.
[[nodiscard]] inline const front_policy* fastest_of(std::span<const front_policy> front, const step_costs& costs,
                                                    std::size_t layers, double loss) {
    const front_policy* best = nullptr;
    double speedup = 1.0;
    for (const front_policy& p : front) {
        if (p.loss_high > loss) continue;
        if (const double found = speedup_of(p.work, costs, p.policy, layers); found > speedup) {
            speedup = found;
            best = &p;
        }
    }
    return best;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
