// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATE_HPP
#define EARLYOUT_EXIT_GATE_HPP

#include <earlyout/core/shape.hpp>
#include <earlyout/exit/decision.hpp>
#include <earlyout/exit/signals.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The state of a gate that keeps none.
struct no_state {};

namespace detail {

template <class Gate>
struct token_state {
    using type = no_state;
};
template <class Gate>
    requires requires { typename Gate::token_state; }
struct token_state<Gate> {
    using type = typename Gate::token_state;
};
template <class Gate>
struct sequence_state {
    using type = no_state;
};
template <class Gate>
    requires requires { typename Gate::sequence_state; }
struct sequence_state<Gate> {
    using type = typename Gate::sequence_state;
};

}  // namespace detail

/// What a gate keeps while one token climbs; value-initialised for each token.
template <class Gate>
using token_state_of = typename detail::token_state<Gate>::type;

/// What a gate keeps over a whole completion.
template <class Gate>
using sequence_state_of = typename detail::sequence_state<Gate>::type;

namespace detail {

/// Calls the gate with the states it declares, in the order token, sequence.
template <class Gate>
constexpr auto call_gate(const Gate& gate, const signal_view<Gate::signals>& view, token_state_of<Gate>& token,
                         sequence_state_of<Gate>& sequence) {
    constexpr bool keeps_token = !std::is_same_v<token_state_of<Gate>, no_state>;
    constexpr bool keeps_sequence = !std::is_same_v<sequence_state_of<Gate>, no_state>;
    if constexpr (keeps_token && keeps_sequence) {
        return gate(view, token, sequence);
    } else if constexpr (keeps_token) {
        return gate(view, token);
    } else if constexpr (keeps_sequence) {
        return gate(view, sequence);
    } else {
        return gate(view);
    }
}

template <class Gate>
concept declares_signals = requires {
    { Gate::signals } -> std::convertible_to<signal_set>;
};

template <class Gate>
constexpr bool state_can_be_restored =
    std::is_trivially_copyable_v<token_state_of<Gate>> && std::is_trivially_copyable_v<sequence_state_of<Gate>> &&
    std::is_default_constructible_v<token_state_of<Gate>> && std::is_default_constructible_v<sequence_state_of<Gate>>;

}  // namespace detail

/// A gate is a small immutable value:
///
///     struct sure {
///         static constexpr earlyout::signal_set signals = earlyout::signal::max_probability;
///         float threshold = 0.9f;
///         earlyout::decision operator()(const auto& s) const {
///             return s.max_probability() >= threshold ? earlyout::decision::exit : earlyout::decision::go_on;
///         }
///     };
///
/// It may declare `token_state` and `sequence_state`, trivially copyable, which it then takes as further
/// parameters by reference; `sequence_state start_sequence() const` gives the latter its first value, and
/// `void check(const model_shape&) const` refuses a model that the gate does not fit.
template <class Gate>
concept gate = detail::declares_signals<Gate> && std::copyable<Gate> && detail::state_can_be_restored<Gate> &&
               requires(const Gate& g, const signal_view<Gate::signals>& view, token_state_of<Gate>& token,
                        sequence_state_of<Gate>& sequence) {
                   { detail::call_gate(g, view, token, sequence) } -> std::same_as<decision>;
               };

/// Explains, one sentence each, why a type is not a gate. Used where a gate is taken, since a failed
/// concept alone leaves the reader with a page of notes.
template <class Gate>
consteval void explain_gate() {
    static_assert(detail::declares_signals<Gate>,
                  "earlyout: a gate declares what it reads: `static constexpr earlyout::signal_set signals = ...;`");
    if constexpr (detail::declares_signals<Gate>) {
        static_assert(detail::state_can_be_restored<Gate>,
                      "earlyout: a gate's token_state and sequence_state must be trivially copyable and default "
                      "constructible, so that a rollback can restore them");
        using answer = decltype(detail::call_gate(
            std::declval<const Gate&>(), std::declval<const signal_view<Gate::signals>&>(),
            std::declval<token_state_of<Gate>&>(), std::declval<sequence_state_of<Gate>&>()));
        static_assert(std::is_same_v<answer, decision>,
                      "earlyout: a gate's operator() must return earlyout::decision (go_on, exit or stop)");
    }
}

/// The gate's answer at one exit.
template <class Gate>
[[nodiscard]] decision evaluate(const Gate& g, exit_signals& signals, token_state_of<Gate>& token,
                                sequence_state_of<Gate>& sequence) {
    return detail::call_gate(g, signal_view<Gate::signals>(signals), token, sequence);
}

/// What this gate reads; known at run time only for `any_gate`.
template <class Gate>
[[nodiscard]] signal_set signals_of(const Gate& g) noexcept {
    if constexpr (requires { g.run_time_signals(); }) {
        return g.run_time_signals();
    } else {
        return Gate::signals;
    }
}

/// The sequence state a completion starts with.
template <class Gate>
[[nodiscard]] sequence_state_of<Gate> start_sequence(const Gate& g) {
    if constexpr (requires { g.start_sequence(); }) {
        return g.start_sequence();
    } else {
        return {};
    }
}

/// Lets a gate refuse a model that it does not fit.
/// @throws error (mismatch)
template <class Gate>
void check_gate(const Gate& g, const model_shape& shape) {
    if constexpr (requires { g.check(shape); }) g.check(shape);
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
