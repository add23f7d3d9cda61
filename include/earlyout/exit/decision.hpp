// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_DECISION_HPP
#define EARLYOUT_EXIT_DECISION_HPP

#include <earlyout/core/config.hpp>

#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A gate's decision for a token after a layer.
enum class decision : std::uint8_t {
    go_on,  ///< continue: run the next layers
    exit,   ///< predict from this layer, skip the layers above
    stop,   ///< the model is about to be wrong: end this completion, produce no token from this state
    spent   ///< a budget is used up: end this completion; implies nothing about the model
};

/// Returns "go_on", "exit", "stop" or "spent".
[[nodiscard]] constexpr const char* to_string(decision d) noexcept {
    switch (d) {
        case decision::go_on: return "go_on";
        case decision::exit: return "exit";
        case decision::stop: return "stop";
        case decision::spent: return "spent";
    }
    return "unknown";
}

/// Direction in which a gate's threshold must move to make exits rarer.
enum class threshold_direction : std::uint8_t { higher_is_conservative, lower_is_conservative };

}}  // namespace earlyout::EARLYOUT_ABI

#endif
