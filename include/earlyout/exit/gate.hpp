// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATE_HPP
#define EARLYOUT_EXIT_GATE_HPP

#include <earlyout/core/shape.hpp>
#include <earlyout/exit/decision.hpp>
#include <earlyout/exit/signal_view.hpp>
#include <earlyout/exit/signals.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

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

/// A gate's state for one token; value-initialised for each token.
template <class Gate>
using token_state_of = typename detail::token_state<Gate>::type;

/// A gate's state over a whole completion.
template <class Gate>
using sequence_state_of = typename detail::sequence_state<Gate>::type;

namespace detail {

template <class Gate>
inline constexpr bool keeps_token_state = !std::is_same_v<token_state_of<Gate>, no_state>;
template <class Gate>
inline constexpr bool keeps_sequence_state = !std::is_same_v<sequence_state_of<Gate>, no_state>;

/// Calls the gate with the states it declares, in the order token, sequence.
template <class Gate>
constexpr auto call_gate(const Gate& gate, const signal_view<Gate::signals>& view, token_state_of<Gate>& token,
                         sequence_state_of<Gate>& sequence) {
    if constexpr (keeps_token_state<Gate> && keeps_sequence_state<Gate>) {
        return gate(view, token, sequence);
    } else if constexpr (keeps_token_state<Gate>) {
        return gate(view, token);
    } else if constexpr (keeps_sequence_state<Gate>) {
        return gate(view, sequence);
    } else {
        return gate(view);
    }
}

template <class Gate>
concept declares_signals = requires {
    { Gate::signals } -> std::convertible_to<signal_set>;
};

/// True when a gate, const or not, can be called with its signals and these states.
template <class Gate, class... States>
concept takes = requires(Gate& g, const signal_view<std::remove_const_t<Gate>::signals>& view, States&... states) {
    g(view, states...);
};
/// True when it can be called with the states that it declares.
template <class Gate, class Plain = std::remove_const_t<Gate>>
constexpr bool takes_its_states = [] {
    if constexpr (keeps_token_state<Plain> && keeps_sequence_state<Plain>) {
        return takes<Gate, token_state_of<Plain>, sequence_state_of<Plain>>;
    } else if constexpr (keeps_token_state<Plain>) {
        return takes<Gate, token_state_of<Plain>>;
    } else if constexpr (keeps_sequence_state<Plain>) {
        return takes<Gate, sequence_state_of<Plain>>;
    } else {
        return takes<Gate>;
    }
}();

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
/// It may declare `token_state` and `sequence_state`, trivially copyable, which are then passed as further parameters
/// by reference; `sequence_state start_sequence() const` returns the initial value of the latter, and `void check(const
/// model_shape&) const` refuses a model that the gate does not fit.
template <class Gate>
concept gate = detail::declares_signals<Gate> && std::copyable<Gate> && detail::state_can_be_restored<Gate> &&
               detail::takes_its_states<const Gate> &&
               requires(const Gate& g, const signal_view<Gate::signals>& view, token_state_of<Gate>& token,
                        sequence_state_of<Gate>& sequence) {
                   { detail::call_gate(g, view, token, sequence) } -> std::same_as<decision>;
               };

namespace detail {

/// Explains why a gate's operator() cannot be called; one of these applies.
template <class Gate>
consteval void explain_call() {
    constexpr bool not_const = takes_its_states<Gate>;
    constexpr bool leaves_out_token_state =
        keeps_token_state<Gate> && (takes<const Gate> || takes<const Gate, sequence_state_of<Gate>>);
    constexpr bool leaves_out_sequence_state =
        keeps_sequence_state<Gate> && (takes<const Gate> || takes<const Gate, token_state_of<Gate>>);
    static_assert(!not_const,
                  "earlyout: a gate's operator() must be const: a gate is an immutable value, which keeps what changes "
                  "in its token_state or sequence_state");
    if constexpr (!not_const) {
        static_assert(!leaves_out_token_state,
                      "earlyout: this gate declares token_state, but its operator() does not take it: expected "
                      "`decision operator()(const auto& signals, token_state& token) const`");
        if constexpr (!leaves_out_token_state) {
            static_assert(!leaves_out_sequence_state,
                          "earlyout: this gate declares sequence_state, but its operator() does not take it: expected "
                          "`decision operator()(const auto& signals, sequence_state& sequence) const`, the latter "
                          "behind a token_state");
        }
    }
    static_assert(not_const || leaves_out_token_state || leaves_out_sequence_state,
                  "earlyout: a gate's operator() takes its signals, `const auto&` or `const "
                  "earlyout::signal_view<signals>&`, then by reference the token_state and sequence_state that the "
                  "gate declares, and nothing else");
}

}  // namespace detail

/// Explains, in one sentence each, why a type is not a gate. Used where a gate is accepted, since a failed concept
/// alone produces a page of notes.
template <class Gate>
consteval void explain_gate() {
    static_assert(detail::declares_signals<Gate>,
                  "earlyout: a gate declares what it reads: `static constexpr earlyout::signal_set signals = ...;`; "
                  "earlyout::make_gate<signals>(lambda) makes a lambda one");
    if constexpr (detail::declares_signals<Gate>) {
        static_assert(detail::state_can_be_restored<Gate>,
                      "earlyout: a gate's token_state and sequence_state must be trivially copyable and default "
                      "constructible, so that a rollback can restore them");
        if constexpr (!detail::takes_its_states<const Gate>) {
            detail::explain_call<Gate>();
        } else {
            using result = decltype(detail::call_gate(
                std::declval<const Gate&>(), std::declval<const signal_view<Gate::signals>&>(),
                std::declval<token_state_of<Gate>&>(), std::declval<sequence_state_of<Gate>&>()));
            static_assert(std::is_same_v<result, decision>,
                          "earlyout: a gate's operator() must return earlyout::decision (go_on, exit or stop)");
        }
    }
}

/// A gate wrapping a function of its signals; see make_gate.
template <signal_set Signals, class Function>
class function_gate {
public:
    static constexpr signal_set signals = Signals;

    constexpr explicit function_gate(Function function) : function_(std::move(function)) {}
    function_gate(const function_gate&) = default;
    ~function_gate() = default;
    /// Replaced by reconstruction: a lambda with captures cannot be assigned.
    function_gate& operator=(const function_gate& other) noexcept
        requires std::is_nothrow_copy_constructible_v<Function>
    {
        if (this != &other) {
            std::destroy_at(&function_);
            std::construct_at(&function_, other.function_);
        }
        return *this;
    }

    constexpr decision operator()(const signal_view<Signals>& s) const { return function_(s); }

private:
    Function function_;
};

/// Makes a gate of a lambda: `make_gate<signal::margin>([](const auto& s) { return s.margin() > 0.9f ? ... })`. The
/// lambda's captures must not change; a gate with its own state is a type (see gate).
/// @tparam Signals signals that the lambda reads
template <signal_set Signals, class Function>
[[nodiscard]] constexpr auto make_gate(Function function) {
    using view = const signal_view<Signals>&;
    constexpr bool takes_view = std::is_invocable_v<const Function&, view>;
    static_assert(takes_view,
                  "earlyout: make_gate takes a lambda of one parameter, `const auto&`, that is not mutable");
    if constexpr (takes_view) {
        constexpr bool decides = std::is_same_v<std::invoke_result_t<const Function&, view>, decision>;
        static_assert(decides, "earlyout: the lambda of a gate must return earlyout::decision (go_on, exit or stop)");
        if constexpr (decides) return function_gate<Signals, Function>(std::move(function));
    }
}

/// Evaluates the gate at one exit.
template <class Gate>
[[nodiscard]] decision evaluate(const Gate& g, exit_signals& signals, token_state_of<Gate>& token,
                                sequence_state_of<Gate>& sequence) {
    return detail::call_gate(g, signal_view<Gate::signals>(signals), token, sequence);
}

/// Returns the signals that this gate reads; known only at run time for `any_gate`.
template <class Gate>
[[nodiscard]] signal_set signals_of(const Gate& g) noexcept {
    if constexpr (requires { g.run_time_signals(); }) {
        return g.run_time_signals();
    } else {
        return Gate::signals;
    }
}

/// Returns the sequence state that a completion starts with.
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
