// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_FIT_REPORT_HPP
#define EARLYOUT_EXAMPLES_CLI_FIT_REPORT_HPP

#include "report.hpp"

#include <earlyout/calibrate/estimate_fit.hpp>
#include <earlyout/calibrate/fit_result.hpp>

#include <cstddef>
#include <iosfwd>
#include <string>

namespace cli {

/// Prints what `earlyout fit` did.
void print(std::ostream& to, const eo::calibrate::fit_result& result, const std::string& source,
           const std::string& weight_format, const std::string& out);

/// Prints what it would take.
/// @param weights their bytes
void print(std::ostream& to, const eo::calibrate::fit_estimate& expected, double weights, std::size_t threads);
[[nodiscard]] json estimate_json(const eo::calibrate::fit_estimate& expected, double weights, std::size_t threads);

}  // namespace cli

#endif
