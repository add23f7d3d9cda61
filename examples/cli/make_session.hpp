// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_MAKE_SESSION_HPP
#define EARLYOUT_EXAMPLES_CLI_MAKE_SESSION_HPP

#include "model.hpp"
#include "options.hpp"

#include <earlyout/exit/any_head.hpp>
#include <earlyout/generate/any_session.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// The layers after which the chosen gate is asked.
/// @throws earlyout::error for a layer the model does not have
[[nodiscard]] std::vector<std::size_t> exit_layers(const model& m, const exit_options& chosen);

/// "shared", "adapter" or "own" for what --exit-head says: for "auto", what the model's exits hold.
[[nodiscard]] std::string head_name(const model& m, const std::string& chosen);

/// The head of that name, its weights packed in the format of the model's output matrix.
/// @throws earlyout::error when the model has no exits, or none with such a head
[[nodiscard]] eo::any_head make_head(const model& m, const std::string& chosen);

/// @throws earlyout::error when the choice does not fit the model or itself
[[nodiscard]] eo::any_session make_session(const model& m, const exit_options& chosen, const run_options& run);
/// The same with a head that is there already, for those who make many.
[[nodiscard]] eo::any_session make_session(const model& m, const exit_options& chosen, const run_options& run,
                                           const eo::any_head& head);

}  // namespace cli

#endif
