// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_FIT_OPTIONS_HPP
#define EARLYOUT_CALIBRATE_FIT_OPTIONS_HPP

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/fit_heads.hpp>
#include <earlyout/calibrate/gates.hpp>
#include <earlyout/calibrate/measured_policy.hpp>
#include <earlyout/calibrate/threshold_search.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/generate/measure_costs.hpp>
#include <earlyout/generate/step_costs.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Options of a fit.
struct fit_options {
    std::vector<std::size_t> layers;  ///< exit layers to fit; empty: all but the last
    std::string heads = "shared";     ///< "shared" (nothing to fit), "adapter" or "own"
    head_fit_options head_fit;
    std::vector<std::string> gates{"learn-to-exit", "agreement", "sec"};
    std::vector<std::string> more_gates{"margin"};  ///< nothing to fit: only their thresholds are chosen
    gate_fits fits;
    std::size_t memory = std::size_t{512} << 20;  ///< bytes for observations, of more every n-th; then for prompts
    std::size_t window = 512;                     ///< tokens that attend to each other, at most the model's context
    threshold_options thresholds;
    sample_options samples{.count = 300};
    bool needs_skill = true;  ///< refuse a model that predicts nothing of the texts, and exits no better than chance
    guarantee_options guarantee;
    cost_options costs{.seconds = 1.0};
    std::optional<step_costs> given_costs;  ///< in place of measured ones
};

/// Returns the layers that exits are fitted after.
/// @throws error (invalid_argument) for options that do not fit the model
[[nodiscard]] inline std::vector<std::size_t> layers_to_fit(const fit_options& options, const model_shape& shape) {
    std::vector<std::size_t> layers = options.layers;
    if (layers.empty()) {
        for (std::size_t layer = 1; layer < shape.layers; ++layer) layers.push_back(layer);
    }
    if (!layers.empty() && layers.back() == shape.layers) layers.pop_back();
    if (layers.empty()) {
        fail(errc::invalid_argument, "exit layers: expected some of 1 .. ", shape.layers - 1, ", found none");
    }
    if (options.head_fit.rank > shape.d_model) {
        fail(errc::invalid_argument, "rank: expected at most the model's width of ", shape.d_model, ", found ",
             options.head_fit.rank);
    }
    return layers;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
