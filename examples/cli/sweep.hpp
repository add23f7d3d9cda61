// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_SWEEP_HPP
#define EARLYOUT_EXAMPLES_CLI_SWEEP_HPP

#include "make_session.hpp"
#include "report.hpp"

#include <earlyout/calibrate/evaluate.hpp>

#include <string>
#include <vector>

namespace cli {

/// Which exit policies `earlyout evaluate` tries.
struct sweep_options {
    std::vector<std::string> gates;                ///< empty: all that need no fitting, and those of the model's exits
    std::vector<float> thresholds;                 ///< empty: a grid for each gate
    std::vector<std::size_t> layers;               ///< empty: each gate's own
    std::vector<float> check_margins{0.0f, 0.3f};  ///< of learn-to-exit; 0 does not check
    std::vector<std::size_t> shortlists{0};        ///< of gates that look at answers; 0: the whole vocabulary
    std::string shortlist_reach = "exits";
    std::vector<std::string> kv{"propagate", "defer"};
    std::vector<std::size_t> defer_caps{0};  ///< of defer; 0: none
    std::string prefill = "eager";           ///< of defer
    std::string head = "auto";
    bool paper = false;  ///< the Stop&Exit paper's configuration alone
};

/// One policy and what it did.
struct swept {
    exit_options config;
    eo::calibrate::paired_evaluation measured;
};

/// The gates that --gates takes.
[[nodiscard]] std::vector<std::string> gates_to_sweep();

/// Every combination of gates, thresholds and cache policies, each gate's from the safest on.
/// @throws earlyout::error for a gate the model has no exits for
[[nodiscard]] std::vector<exit_options> make_sweep(const model& m, const sweep_options& options);

/// "sec > 0.9, defer": what tells a policy from the others.
[[nodiscard]] std::string name_of(const exit_options& config);
[[nodiscard]] json to_json(const exit_options& config, const std::vector<std::size_t>& layers);

/// The fastest policy without stops that skips layers and loses no more ROUGE-L than that; nothing when only full depth
/// does.
[[nodiscard]] const swept* best_at_loss(const std::vector<swept>& all, double loss);

/// The fastest policy without stops that skips layers, whatever it loses; nothing when there is none.
[[nodiscard]] const swept* fastest(const std::vector<swept>& all);

/// Of the policies that ended completions and were right at least so often, the one that saved most work; nothing when
/// there is none.
[[nodiscard]] const swept* best_stop_at_precision(const std::vector<swept>& all,
                                                  const std::vector<eo::calibrate::sample>& samples, double precision);

/// The policies without stops that skip layers, faster than full depth, that no other is both as fast and as good as;
/// from the slowest.
[[nodiscard]] std::vector<const swept*> pareto_front(const std::vector<swept>& all);

}  // namespace cli

#endif
