// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_POLICY_HPP
#define EARLYOUT_EXAMPLES_CLI_POLICY_HPP

#include "model.hpp"
#include "options.hpp"

#include <earlyout/generate/any_session.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/policy_spec.hpp>

namespace cli {

/// Returns the policy that --policy, or --exit-gate and what belongs to it, name for this model.
/// @throws earlyout::error when the options do not fit the model or each other
[[nodiscard]] eo::policy_spec policy_of(const model& m, const exit_options& chosen);

[[nodiscard]] eo::session_options session_options_of(const run_options& run);

/// @throws earlyout::error as policy_of
[[nodiscard]] eo::any_session make_session(const model& m, const exit_options& chosen, const run_options& run);

}  // namespace cli

#endif
