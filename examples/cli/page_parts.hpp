// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_PAGE_PARTS_HPP
#define EARLYOUT_EXAMPLES_CLI_PAGE_PARTS_HPP

/// @file The parts of the page of `earlyout evaluate`, each a piece of markup.

#include "html.hpp"
#include "page.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cli::page {

/// A policy's name with the signs that print has.
[[nodiscard]] std::string shown_name(const eo::policy_spec& policy);

/// The end of a path: folder and name.
[[nodiscard]] std::string last_parts(const std::string& path);

/// The style of one gate's marks: "g3".
[[nodiscard]] std::string gate_style(const eo::policy_spec& policy);
[[nodiscard]] std::size_t gate_shape(const eo::policy_spec& policy);
/// A policy's mark, as the scatter chart has it, in a line of text.
[[nodiscard]] std::string inline_mark(const eo::policy_spec& policy);
/// How a policy's mark says what its skipped layers keep: filled, hollow or dashed.
[[nodiscard]] std::string cache_style(const eo::policy_spec& policy);
/// True of a policy whose gate only stops.
[[nodiscard]] bool only_stops(const eo::policy_spec& policy);

/// A heading, a sentence and what follows them.
[[nodiscard]] std::string section(std::string_view heading, std::string_view words, std::string_view content);
/// Pictures side by side as far as they fit. `least`: their width, "small" or "large".
[[nodiscard]] std::string figures(std::string_view least, const std::vector<std::string>& pictures);
/// A picture with a title above it and a remark below.
[[nodiscard]] std::string figure(std::string_view title, std::string_view picture, std::string_view remark = {});

[[nodiscard]] std::string quality_against_speed(const evaluation_report& r);
[[nodiscard]] std::string oracle(const evaluation_report& r);
[[nodiscard]] std::string exit_histograms(const evaluation_report& r);
[[nodiscard]] std::string reliability_diagrams(const evaluation_report& r);
[[nodiscard]] std::string completions(const evaluation_report& r, const std::vector<shown_completion>& shown,
                                      eo::calibrate::to_text text);
[[nodiscard]] std::string decisions(const evaluation_report& r);
[[nodiscard]] std::string table_of_policies(const evaluation_report& r);

}  // namespace cli::page

#endif
