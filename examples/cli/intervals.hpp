// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_INTERVALS_HPP
#define EARLYOUT_EXAMPLES_CLI_INTERVALS_HPP

#include "report.hpp"

#include <earlyout/calibrate/cluster_bootstrap.hpp>
#include <earlyout/calibrate/policy_intervals.hpp>

#include <cstddef>
#include <initializer_list>
#include <string>

namespace cli {

/// "(1.21 to 1.31)"; "(?)" where nothing is known.
[[nodiscard]] inline std::string range(const eo::calibrate::interval& i, int digits, double scale = 1.0) {
    if (!i.is_known()) return "(?)";
    return "(" + fixed(scale * i.low, digits) + " to " + fixed(scale * i.high, digits) + ")";
}

/// Says in advance which losses so few samples cannot show; empty: all of them.
[[nodiscard]] inline std::string too_few(std::size_t samples, std::initializer_list<double> losses) {
    std::string text;
    for (const double loss : losses) {
        if (samples >= eo::calibrate::samples_to_show(loss)) continue;
        text += (text.empty() ? "" : ", ") + percent(loss) + ": at least " +
                std::to_string(eo::calibrate::samples_to_show(loss));
    }
    return text.empty() ? text : "Too few samples (" + std::to_string(samples) + ") to show a loss of at most " + text;
}

}  // namespace cli

#endif
