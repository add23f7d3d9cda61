// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_DISPATCH_COMMAND_LINE_HPP
#define EARLYOUT_EXAMPLES_CLI_DISPATCH_COMMAND_LINE_HPP

#include <earlyout/core/dispatch.hpp>

namespace cli {

/// The command, compiled once for each instruction set or, without EARLYOUT_DISPATCH, for one. Returns its exit status.
EARLYOUT_DISPATCHED(command_line, int(int argc, char** argv));

}  // namespace cli

#endif
