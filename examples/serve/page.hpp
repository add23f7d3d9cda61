// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_PAGE_HPP
#define EARLYOUT_EXAMPLES_SERVE_PAGE_HPP

#include <string_view>

namespace serve {

/// Returns the HTML at /: an editor that completes as one types, and shows what each token took.
[[nodiscard]] std::string_view page();

}  // namespace serve

#endif
