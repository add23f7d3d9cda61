// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_COMPARE_HPP
#define EARLYOUT_EXAMPLES_CLI_COMPARE_HPP

#include "policy.hpp"
#include "report.hpp"

#include <iosfwd>
#include <string_view>
#include <vector>

namespace cli {

/// Early exits against full depth, measured in turns in one process.
struct comparison {
    /// Each run of one side, in a session of its own.
    struct side {
        eo::completion result;
        std::vector<double> seconds_per_token;  ///< decode seconds over decode steps
        std::vector<double> seconds;            ///< prompt and decode
    };
    side early_exit;
    side full_depth;

    /// New tokens that both begin with.
    [[nodiscard]] std::size_t common_tokens() const;
    /// Full depth's median time per token over early exit's.
    [[nodiscard]] double speedup() const;
};

[[nodiscard]] comparison compare(const model& m, const eo::policy_spec& policy, const run_options& run,
                                 std::string_view prompt, const eo::generate_options& options, std::size_t rounds);

[[nodiscard]] json to_json(const comparison& measured);
void print(std::ostream& to, const comparison& measured);

}  // namespace cli

#endif
