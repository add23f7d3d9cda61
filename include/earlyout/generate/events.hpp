// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_EVENTS_HPP
#define EARLYOUT_GENERATE_EVENTS_HPP

#include <earlyout/core/function_ref.hpp>
#include <earlyout/core/token.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// One token that a completion produced.
struct token_event {
    token_id id = 0;
    std::size_t index = 0;  ///< index among the new tokens, from 0
    /// Text that became complete with this token; valid during the callback. Empty while a character or a possible stop
    /// string is incomplete; the last token's piece includes what was held back.
    std::string_view piece;
    float log_probability = 0.0f;  ///< of this token under the exit's distribution, before sampling filters
    std::size_t exit_layer = 0;    ///< layers that ran for it
    bool drafted = false;          ///< proposed by a drafter and verified in a block
};

/// A callback's return value.
enum class flow : std::uint8_t { proceed, stop };

/// Called once for each token, in order. Must not throw.
using token_callback = function_ref<flow(const token_event&)>;

/// Why a completion ended.
enum class finish_reason : std::uint8_t {
    max_new_tokens,   ///< the max number of new tokens was reached
    end_of_text,      ///< the model produced an end-of-text token
    stop_string,      ///< one of the stop strings appeared
    stopped_by_gate,  ///< a gate decided that continuing would be wrong
    budget_spent,     ///< a gate's budget of tokens or time is used up
    callback,         ///< the callback requested a stop
    max_time,         ///< the time limit was reached
    cancelled,        ///< the stop token was triggered
    context_full,     ///< no position is left for another token
    not_a_number      ///< the model's logits hold NaN or infinity; session::complete() throws an error instead
};

/// Returns "max_new_tokens", "end_of_text", ...
[[nodiscard]] constexpr const char* to_string(finish_reason reason) noexcept {
    switch (reason) {
        case finish_reason::max_new_tokens: return "max_new_tokens";
        case finish_reason::end_of_text: return "end_of_text";
        case finish_reason::stop_string: return "stop_string";
        case finish_reason::stopped_by_gate: return "stopped_by_gate";
        case finish_reason::budget_spent: return "budget_spent";
        case finish_reason::callback: return "callback";
        case finish_reason::max_time: return "max_time";
        case finish_reason::cancelled: return "cancelled";
        case finish_reason::context_full: return "context_full";
        case finish_reason::not_a_number: return "not_a_number";
    }
    return "unknown";
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
