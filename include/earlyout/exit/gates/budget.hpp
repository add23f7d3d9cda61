// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_BUDGET_HPP
#define EARLYOUT_EXIT_GATES_BUDGET_HPP

#include <earlyout/exit/gate.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// What a budget that is used up asks for.
enum class over_budget : std::uint8_t {
    end,   ///< end the completion before its next token
    leave  ///< go on, but leave at the first exit from here on
};

namespace detail {

[[nodiscard]] constexpr decision answer_of(over_budget then) noexcept {
    return then == over_budget::end ? decision::spent : decision::exit;
}

}  // namespace detail

/// A budget of new tokens, to be combined with other gates: `any_of{token_budget{32}, margin{0.6f}}` asks the margin
/// for 32 tokens and then ends the completion at the first exit it comes to; with over_budget::leave the text goes on,
/// every token leaving there. Unlike generate_options::max_new_tokens it can do the latter.
struct token_budget {
    static constexpr signal_set signals = no_signals;

    std::size_t tokens = 64;
    over_budget then = over_budget::end;

    decision operator()(const auto& s) const {
        return s.new_tokens() >= tokens ? detail::answer_of(then) : decision::go_on;
    }
};

/// A budget of time since the completion was started, its prompt included; likewise. Checked at every exit, which reads
/// a clock. What a completion produces then depends on the machine.
struct time_budget {
    static constexpr signal_set signals = no_signals;
    using clock = std::chrono::steady_clock;
    struct sequence_state {
        clock::time_point started{};
    };

    std::chrono::duration<double> time{1.0};
    over_budget then = over_budget::end;

    decision operator()(const auto&, const sequence_state& state) const {
        return clock::now() - state.started >= time ? detail::answer_of(then) : decision::go_on;
    }
    [[nodiscard]] sequence_state start_sequence() const { return {clock::now()}; }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
