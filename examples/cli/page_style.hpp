// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_PAGE_STYLE_HPP
#define EARLYOUT_EXAMPLES_CLI_PAGE_STYLE_HPP

#include <cstddef>
#include <string>

namespace cli::page {

/// The page's style sheet, light and dark, for a screen of any width and for paper. A layer's colour is class lLAYER,
/// a gate's gNUMBER.
[[nodiscard]] std::string style_sheet(std::size_t layers);

}  // namespace cli::page

#endif
