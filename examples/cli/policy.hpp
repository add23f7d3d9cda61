// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_POLICY_HPP
#define EARLYOUT_EXAMPLES_CLI_POLICY_HPP

#include "model.hpp"
#include "options.hpp"

#include <earlyout/generate/any_session.hpp>
#include <earlyout/generate/drafts/drafter_info.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/policy_spec.hpp>

#include <string>

namespace cli {

/// Parses a policy; an error names what a mistyped word may have meant.
/// @throws earlyout::error (invalid_argument)
[[nodiscard]] eo::policy_spec parse_policy(const std::string& text);

/// Returns the policy that --policy, or --exit-gate and what belongs to it, name for this model: without them full
/// depth.
/// @throws earlyout::error when the options do not fit the model or each other
[[nodiscard]] eo::policy_spec policy_of(const model& m, const exit_options& chosen);

/// A policy with everything filled in, and whose choice it is.
struct chosen_policy {
    eo::policy_spec policy;
    /// "options"; "fit": what fit chose for the model; "machine": what of fit's front is fastest on this machine, by a
    /// short measurement; "default": full depth
    std::string from;
    std::string note;  ///< why the model's exits are not used; empty: they are, or there are none
};
/// Returns what `complete` follows: the policy of the options, else the one that fit chose for the model, where there
/// is one that holds for the weight format that the model was loaded in, else full depth. At full depth tokens are
/// drafted unless the options say otherwise; with --draft alone, the policy is full depth.
/// @throws earlyout::error as policy_of
[[nodiscard]] chosen_policy choose_policy(const model& m, const exit_options& chosen, const draft_options& drafts,
                                          const run_options& run);

/// Parses drafters; an error names what a mistyped word may have meant.
/// @throws earlyout::error (invalid_argument)
[[nodiscard]] eo::drafts_spec parse_drafts(const std::string& text);

/// Returns what --draft-from names, tokenized.
/// @throws earlyout::error (no_such_file, io)
[[nodiscard]] eo::draft_sources sources_of(const model& m, const draft_options& drafts);

[[nodiscard]] eo::session_options session_options_of(const run_options& run);

/// @throws earlyout::error as policy_of
[[nodiscard]] eo::any_session make_session(const model& m, const exit_options& chosen, const run_options& run);

}  // namespace cli

#endif
