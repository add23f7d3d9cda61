// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_MEASURED_POLICY_HPP
#define EARLYOUT_CALIBRATE_MEASURED_POLICY_HPP

#include <earlyout/calibrate/policy_intervals.hpp>
#include <earlyout/calibrate/risk.hpp>
#include <earlyout/generate/policy_spec.hpp>
#include <earlyout/generate/step_costs.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// A policy and its completions compared with full depth's.
struct measured_policy {
    policy_spec policy;
    double layers_skipped = 0.0;
    double loss = 0.0;  ///< of ROUGE-L, relative
    double agreement = 1.0;
    double speedup = 1.0;   ///< of decoding
    bool is_timed = false;  ///< the speed was timed beside full depth; otherwise it is what its work costs
    policy_intervals intervals;
    step_work work;  ///< of decoding, over all completions

    /// Archives what was measured, without the policy.
    void archive(auto& a) { a(layers_skipped, loss, agreement, speedup, is_timed, intervals, work); }
};

/// The same policy with weights in another format.
struct checked_format {
    std::string name;
    measured_policy found;
    bool holds = false;
};

struct guarantee_options {
    double eps = 0.0;             ///< mean share of ROUGE-L that a completion may lose; 0: no test
    double delta = 0.1;           ///< probability with which the guarantee may fail
    bool in_expectation = false;  ///< conformal risk control in place of Learn-then-Test
};

/// A test on held-out texts.
struct guarantee_result {
    double eps = 0.0;
    double delta = 0.0;  ///< 0: in expectation, by conformal risk control; else by Learn-then-Test
    std::size_t samples = 0;
    std::size_t needed = 0;  ///< samples, if all losses were 0
    std::vector<policy_spec> policies;
    risk_result result;
};

/// The policy chosen for one gate, and the measurements behind it.
struct gate_choice {
    std::string gate;
    bool found = false;      ///< some policy is faster than full depth and within the target
    measured_policy chosen;  ///< full depth where none was found
    /// Where none was found: the fastest within the target whose intervals do not support it, and how many samples may.
    std::optional<measured_policy> promising;
    std::size_t samples_needed = 0;
    std::vector<measured_policy> tried;
    std::vector<checked_format> formats;
    std::optional<guarantee_result> guarantee;
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
