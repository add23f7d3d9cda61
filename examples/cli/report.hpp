// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_REPORT_HPP
#define EARLYOUT_EXAMPLES_CLI_REPORT_HPP

#include "bytes.hpp"
#include "terminal.hpp"

#include <earlyout/generate/session.hpp>

#include <nlohmann/json.hpp>

#include <iosfwd>
#include <string>
#include <vector>

namespace cli {

namespace eo = earlyout;
using json = nlohmann::ordered_json;

/// Every member of run_stats under its own name, and the figures it derives.
[[nodiscard]] json to_json(const eo::run_stats& stats);
[[nodiscard]] json to_json(const eo::completion& result);
/// One line; bytes that are not UTF-8 become U+FFFD.
void print(std::ostream& to, const json& object);

/// How many tokens exited after which layer, each line in its layer's colour.
void print_legend(std::ostream& to, const eo::run_stats& stats, const palette& colours);
/// A line of a summary: a name, and what it is.
void print_line(std::ostream& to, const std::string& name, const std::string& value);
/// Why it ended and what it cost.
void print_summary(std::ostream& to, const eo::completion& result);

/// With that many digits after the point.
[[nodiscard]] std::string fixed(double value, int digits);
/// "12.3 %" of a share of 1
[[nodiscard]] std::string percent(double share);
/// "0.81 ms"
[[nodiscard]] std::string milliseconds(double seconds);
/// "12.3 us"
[[nodiscard]] std::string microseconds(double seconds);
/// The middle value; the mean of the two in the middle where there are two.
[[nodiscard]] double median(std::vector<double> values);

}  // namespace cli

#endif
