// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_COMMANDS_HPP
#define EARLYOUT_EXAMPLES_CLI_COMMANDS_HPP

#include <CLI/CLI.hpp>

#include <functional>

namespace cli {

/// A subcommand: how it is parsed, and what it does with what was parsed. run() returns the exit status.
struct command {
    CLI::App* app;
    std::function<int()> run;
};

[[nodiscard]] command complete(CLI::App& app);
[[nodiscard]] command logits(CLI::App& app);
[[nodiscard]] command tokenize(CLI::App& app);
[[nodiscard]] command detokenize(CLI::App& app);
[[nodiscard]] command inspect(CLI::App& app);
[[nodiscard]] command bench(CLI::App& app);
[[nodiscard]] command quantize(CLI::App& app);
[[nodiscard]] command fit(CLI::App& app);
[[nodiscard]] command evaluate(CLI::App& app);
[[nodiscard]] command costs(CLI::App& app);
[[nodiscard]] command serve(CLI::App& app);

}  // namespace cli

#endif
