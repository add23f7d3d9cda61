// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_FITTING_HPP
#define EARLYOUT_EXAMPLES_CLI_FITTING_HPP

#include "fit_report.hpp"
#include "options.hpp"

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/fit_heads.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

namespace cli {

/// What `earlyout fit` is asked for.
struct fit_options {
    model_options model;
    weight_options weights;
    std::vector<std::string> also_formats;
    std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
    std::string out;
    std::vector<std::string> texts;
    eo::calibrate::corpus_options corpus{.suffixes = {".py"}, .most_tokens = 400'000};
    std::vector<std::size_t> layers;
    std::string heads = "shared";
    std::string head_target = "full-depth";
    eo::calibrate::head_fit_options head_fit;
    std::vector<std::string> gates{"learn-to-exit", "sec"};
    double jei_lambda = 0.3;
    bool sec_each = false;  ///< a gate for each exit
    bool paper = false;
    std::size_t memory = 512;
    std::string labels = "agrees";
    std::string sec_labels = "right";
    bool sec_bias = false;
    std::vector<float> check_margins{0.0f, 0.2f, 0.3f, 0.5f};
    double loss = 0.011;
    std::string kv = "propagate";
    double guarantee = 0.0;  ///< eps; 0: none
    std::string guarantee_in = "probability";
    double delta = 0.1;
    eo::calibrate::sample_options samples{.count = 200};
    bool json = false;
};

/// The command was interrupted: nothing was written.
struct interrupted_error {
    int status;  ///< what the program returns
};

/// Reads, fits, chooses thresholds and writes the sidecar.
/// @throws interrupted_error, earlyout::error
[[nodiscard]] fit_report fit_exits(fit_options& options);

}  // namespace cli

#endif
