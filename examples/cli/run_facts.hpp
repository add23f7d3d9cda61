// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_RUN_FACTS_HPP
#define EARLYOUT_EXAMPLES_CLI_RUN_FACTS_HPP

#include <string>

/// @file What a report says of the run behind it. Empty where the system does not tell.

namespace cli {

/// The command as it could be typed again.
[[nodiscard]] std::string command_as_typed();
/// "2026-01-31", in UTC.
[[nodiscard]] std::string today();
/// The processor's name and the instruction set that this program was compiled for.
[[nodiscard]] std::string machine_name();

}  // namespace cli

#endif
