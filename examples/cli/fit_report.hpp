// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_FIT_REPORT_HPP
#define EARLYOUT_EXAMPLES_CLI_FIT_REPORT_HPP

#include "report.hpp"

#include <earlyout/calibrate/collect.hpp>
#include <earlyout/calibrate/fit_gates.hpp>
#include <earlyout/calibrate/fit_heads.hpp>
#include <earlyout/calibrate/risk.hpp>

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace cli {

/// What was read of one part of the texts.
struct collected_part {
    std::size_t texts = 0;
    std::size_t tokens = 0;
    std::size_t kept = 0;
    std::size_t kept_bytes = 0;
    double seconds = 0.0;
    eo::calibrate::exit_accuracy exits;
};

/// Heads that were fitted, and what the exits answer on texts that nothing was fitted to.
struct heads_report {
    std::string kind;
    double seconds = 0.0;
    std::vector<eo::calibrate::fitted_head> fitted;
    eo::calibrate::exit_accuracy before;  ///< the model's own output
    eo::calibrate::exit_accuracy after;
};

/// How honest the Stop&Exit gate is after one layer, on the same texts.
struct sec_honesty {
    std::size_t layer = 0;
    eo::calibrate::reliability exit;  ///< leaving here is what its labels want
    eo::calibrate::reliability stop;
};

/// Before its temperature and with it.
struct sec_reliability {
    std::vector<double> temperatures;  ///< one, or one for each exit; none: as fitted
    std::vector<sec_honesty> before;
    std::vector<sec_honesty> after;
};

/// What a threshold did to completions beside full depth.
struct measured_threshold {
    std::vector<std::size_t> layers;
    float threshold = 0.0f;
    float check_margin = 0.0f;
    double layers_skipped = 0.0;
    double loss = 0.0;  ///< of ROUGE-L, relative
    double agreement = 1.0;
    double speedup = 1.0;
};

struct checked_format {
    std::string name;
    measured_threshold found;
    bool holds = false;
};

/// A test on texts that nothing else saw.
struct guarantee_report {
    double eps = 0.0;
    double delta = 0.0;  ///< 0: in expectation, by conformal risk control; else by Learn-then-Test
    std::size_t samples = 0;
    std::size_t needed = 0;  ///< samples, if none of them lost anything
    std::vector<float> thresholds;
    eo::calibrate::risk_result result;
};

/// The threshold of one fitted gate, and how it was come by.
struct gate_choice {
    std::string gate;
    bool found = false;         ///< some threshold is faster than full depth, and allowed
    measured_threshold chosen;  ///< where none was found, one that never leaves
    std::vector<measured_threshold> tried;
    std::vector<checked_format> formats;
    std::optional<guarantee_report> guarantee;
};

/// Everything `earlyout fit` did.
struct fit_report {
    std::string model;
    std::string weight_format;
    std::string out;
    std::size_t texts = 0;
    std::size_t samples = 0;
    double loss_target = 0.0;
    collected_part fit;
    collected_part validate;
    std::optional<heads_report> heads;
    std::vector<eo::calibrate::fitted_linear> sec;  ///< one, or one for each exit and full depth
    sec_reliability sec_honest;
    std::vector<eo::calibrate::fitted_layer_gate> gates;
    std::vector<eo::calibrate::fitted_layer_gate> jei_gates;
    std::vector<eo::calibrate::forced_exits> forced;
    std::vector<gate_choice> choices;  ///< one for each fitted gate
    std::string formats_fitted;
};

void print(std::ostream& to, const fit_report& report);
[[nodiscard]] json to_json(const fit_report& report);
/// What the sidecar keeps: the corpus' size, every gate's honesty and the chosen thresholds' worth; no paths.
[[nodiscard]] json summary(const fit_report& report);

}  // namespace cli

#endif
