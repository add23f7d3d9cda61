// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_THRESHOLDS_HPP
#define EARLYOUT_EXAMPLES_CLI_THRESHOLDS_HPP

#include "fit_report.hpp"
#include "fitting.hpp"
#include "interrupt.hpp"
#include "make_session.hpp"
#include "progress.hpp"

#include <earlyout/calibrate/corpus.hpp>

#include <string>
#include <utility>
#include <vector>

namespace cli {

/// Predicted errors of learn-to-exit from safe to bold; 1 leaves everything to the check.
[[nodiscard]] const std::vector<float>& error_grid();

/// Chooses the thresholds of fitted gates by completing prompts beside full depth.
class threshold_search {
public:
    /// @param m     with the exits that are to be tried
    /// @param heads what its exits answer with
    threshold_search(const fit_options& o, const model& m, const eo::any_head& heads, const interrupt& stop,
                     progress_line& progress)
        : o_(o), model_(m), heads_(heads), stop_(stop), progress_(progress) {}

    /// For every set of layers and every check, thresholds up to where the loss first exceeds its target; of all
    /// those the fastest.
    /// @throws interrupted_error
    [[nodiscard]] gate_choice choose(const std::string& gate, const std::vector<eo::calibrate::sample>& samples);

    /// Of the thresholds that kept the target, the fastest that keeps it in the other weight formats too; where none of
    /// the first few does, the one that keeps it in most of them.
    void check_formats(gate_choice& choice, const std::vector<std::pair<std::string, model>>& others,
                       const std::vector<eo::calibrate::sample>& samples);

    /// Replaces the chosen threshold by the boldest for which a test on texts that nothing has seen allows it. One
    /// prompt of each text; layers, check and the order of thresholds are fixed before.
    void guarantee(gate_choice& choice, const std::vector<eo::calibrate::corpus_text>& texts);

private:
    void check_cancel() const;
    [[nodiscard]] exit_options config_of(const std::string& gate, const measured_threshold& row) const;
    [[nodiscard]] std::vector<std::vector<std::size_t>> layer_sets() const;
    [[nodiscard]] measured_threshold measure(const model& m, const std::vector<eo::calibrate::sample>& samples,
                                             const exit_options& config);
    [[nodiscard]] eo::calibrate::sample_losses losses_of(const std::vector<eo::calibrate::sample>& samples,
                                                         const exit_options& config);

    const fit_options& o_;
    const model& model_;
    const eo::any_head& heads_;
    const interrupt& stop_;
    progress_line& progress_;
};

}  // namespace cli

#endif
