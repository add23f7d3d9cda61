// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_FINISH_HPP
#define EARLYOUT_GENERATE_FINISH_HPP

#include <earlyout/generate/events.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/generate/options.hpp>

#include <chrono>
#include <cstddef>
#include <optional>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// State of a completion when a token has been sampled.
struct completion_progress {
    prediction::outcome result = prediction::outcome::token;
    bool found_stop_string = false;
    bool is_end_of_text = false;
    std::size_t new_tokens = 0;  ///< including this one
    bool is_context_full = false;
    std::chrono::steady_clock::time_point started;
};

/// Returns why a completion ends without a token: a gate's decision or an error.
[[nodiscard]] constexpr finish_reason reason_of(prediction::outcome result) noexcept {
    switch (result) {
        case prediction::outcome::budget_spent: return finish_reason::budget_spent;
        case prediction::outcome::cancelled: return finish_reason::cancelled;
        case prediction::outcome::not_a_number: return finish_reason::not_a_number;
        default: return finish_reason::stopped_by_gate;
    }
}

/// Returns why a completion ends with the token that was just sampled; nothing when it continues. If several reasons
/// apply, the first in this order is returned.
[[nodiscard]] inline std::optional<finish_reason> finish_after(const completion_progress& now,
                                                               const generate_options& options) noexcept {
    if (now.found_stop_string) return finish_reason::stop_string;
    if (now.is_end_of_text) return finish_reason::end_of_text;
    if (now.result != prediction::outcome::token) return reason_of(now.result);
    if (now.new_tokens == options.max_new_tokens) return finish_reason::max_new_tokens;
    if (now.is_context_full) return finish_reason::context_full;
    if (options.max_time && std::chrono::steady_clock::now() - now.started >= *options.max_time) {
        return finish_reason::max_time;
    }
    return std::nullopt;
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
