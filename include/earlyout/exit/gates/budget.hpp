// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_BUDGET_HPP
#define EARLYOUT_EXIT_GATES_BUDGET_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// What happens once a budget is used up.
enum class over_budget : std::uint8_t {
    end,  ///< end the completion before its next token
    exit  ///< continue, but exit at the first exit from here on
};

namespace detail {

[[nodiscard]] constexpr decision decision_when_spent(over_budget then) noexcept {
    return then == over_budget::end ? decision::spent : decision::exit;
}

inline constexpr std::string_view over_budget_words[]{"end", "exit"};
inline constexpr gate_parameter over_budget_parameter{
    .name = "then",
    .meaning =
        "what happens then: end (the completion ends at the next exit) or exit (every token exits at its first "
        "exit from there on)",
    .comparison = "then",
    .words = over_budget_words};

}  // namespace detail

/// A budget of new tokens, to be combined with other gates: `any_of{token_budget{32}, margin{0.6f}}` evaluates the
/// margin for 32 tokens and then ends the completion at the next exit; with over_budget::exit the completion continues
/// and every token exits there. Unlike generate_options::max_new_tokens it can do the latter.
struct token_budget {
    static constexpr signal_set signals = no_signals;
    static constexpr gate_parameter parameters[]{{.name = "tokens",
                                                  .meaning = "new tokens",
                                                  .comparison = "after",
                                                  .otherwise = 64.0f,
                                                  .min = 1.0f,
                                                  .max = 1 << 24,
                                                  .is_exit_count = false},
                                                 detail::over_budget_parameter};
    static constexpr gate_info info{
        .name = "token-budget", .brief = "acts after a number of new tokens", .parameters = parameters};

    std::size_t tokens = 64;
    over_budget then = over_budget::end;

    static constexpr token_budget from(std::span<const float> values) noexcept {
        return {static_cast<std::size_t>(values[0]), static_cast<over_budget>(values[1])};
    }

    decision operator()(const auto& s) const {
        return s.new_tokens() >= tokens ? detail::decision_when_spent(then) : decision::go_on;
    }
};

/// A budget of time since the completion started, its prompt included, with the same options. Checked at every exit by
/// reading a clock, so the output of a completion depends on the machine.
struct time_budget {
    static constexpr signal_set signals = no_signals;
    using clock = std::chrono::steady_clock;
    struct sequence_state {
        clock::time_point started{};
    };

    static constexpr gate_parameter parameters[]{{.name = "seconds",
                                                  .meaning = "seconds since the completion started",
                                                  .comparison = "after",
                                                  .otherwise = 1.0f,
                                                  .max = no_limit},
                                                 detail::over_budget_parameter};
    static constexpr gate_info info{
        .name = "time-budget", .brief = "acts after a time, the prompt's included", .parameters = parameters};

    std::chrono::duration<double> time{1.0};
    over_budget then = over_budget::end;

    static constexpr time_budget from(std::span<const float> values) noexcept {
        return {std::chrono::duration<double>(static_cast<double>(values[0])), static_cast<over_budget>(values[1])};
    }

    decision operator()(const auto&, const sequence_state& state) const {
        return clock::now() - state.started >= time ? detail::decision_when_spent(then) : decision::go_on;
    }
    [[nodiscard]] sequence_state start_sequence() const { return {clock::now()}; }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
