// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_TEAM_HPP
#define EARLYOUT_EXAMPLES_CLI_TEAM_HPP

#include <earlyout/calibrate/workers.hpp>

namespace cli {

/// The processes that this one works with: set by a program that has any, before it runs a command.
inline earlyout::calibrate::workers*& team() noexcept {
    static earlyout::calibrate::workers* of = nullptr;
    return of;
}
/// Returns true for the one process that reports and writes files.
[[nodiscard]] inline bool is_first() noexcept { return team() == nullptr || team()->rank() == 0; }

}  // namespace cli

#endif
