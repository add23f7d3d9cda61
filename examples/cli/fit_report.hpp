// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_FIT_REPORT_HPP
#define EARLYOUT_EXAMPLES_CLI_FIT_REPORT_HPP

#include "report.hpp"

#include <earlyout/calibrate/fit_result.hpp>

#include <iosfwd>
#include <string>

namespace cli {

/// Prints what `earlyout fit` did.
void print(std::ostream& to, const eo::calibrate::fit_result& result, const std::string& source,
           const std::string& weight_format, const std::string& out);

}  // namespace cli

#endif
