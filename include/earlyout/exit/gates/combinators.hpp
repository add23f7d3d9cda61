// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_COMBINATORS_HPP
#define EARLYOUT_EXIT_GATES_COMBINATORS_HPP

#include <earlyout/exit/gate.hpp>

#include <tuple>
#include <type_traits>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// States of several gates side by side. Unlike std::tuple it is trivially copyable when its parts are.
template <class... States>
struct states {};
template <class First, class... Rest>
struct states<First, Rest...> {
    First first{};
    states<Rest...> rest{};
};

template <std::size_t Index, class States>
constexpr auto& state_at(States& all) noexcept {
    if constexpr (Index == 0) {
        return all.first;
    } else {
        return state_at<Index - 1>(all.rest);
    }
}

template <class... Gates>
struct states_of {
    using token = states<token_state_of<Gates>...>;
    using sequence = states<sequence_state_of<Gates>...>;
};

/// Common base of combinators: the union of the signals and the states of its gates.
template <class... Gates>
class combined {
public:
    static constexpr signal_set signals = (no_signals | ... | Gates::signals);
    using token_state = typename states_of<Gates...>::token;
    using sequence_state = typename states_of<Gates...>::sequence;

    constexpr explicit combined(Gates... gates) : gates_(std::move(gates)...) { (explain_gate<Gates>(), ...); }

    [[nodiscard]] sequence_state start_sequence() const {
        sequence_state all{};
        for_each([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
            state_at<I>(all) = earlyout::start_sequence(std::get<I>(gates_));
        });
        return all;
    }
    void check(const model_shape& shape) const {
        std::apply([&](const Gates&... gates) { (check_gate(gates, shape), ...); }, gates_);
    }

protected:
    static constexpr std::size_t count = sizeof...(Gates);

    template <std::size_t I>
    decision evaluate(const auto& view, token_state& token, sequence_state& sequence) const {
        using each = std::tuple_element_t<I, std::tuple<Gates...>>;
        return call_gate(std::get<I>(gates_), view.template as<each::signals>(), state_at<I>(token),
                         state_at<I>(sequence));
    }
    template <class F>
    static constexpr void for_each(F f) {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (f(std::integral_constant<std::size_t, I>{}), ...);
        }(std::make_index_sequence<count>{});
    }

private:
    std::tuple<Gates...> gates_;
};

}  // namespace detail

/// A cheap gate first, then a check: exits when both decide exit. The second is evaluated only where the first decides
/// exit, so its signals are not computed anywhere else. Continue and stop of the first are final; the second may still
/// turn an exit into a stop.
template <class Cheap, class Check>
class and_then : public detail::combined<Cheap, Check> {
    using base = detail::combined<Cheap, Check>;

public:
    constexpr and_then(Cheap cheap, Check check) : base(std::move(cheap), std::move(check)) {}

    decision operator()(const auto& view, typename base::token_state& token,
                        typename base::sequence_state& sequence) const {
        const decision first = this->template evaluate<0>(view, token, sequence);
        return first == decision::exit ? this->template evaluate<1>(view, token, sequence) : first;
    }
};

/// Exits (stops) when every gate decides exit (stop); one whose budget is spent ends the completion alone. All gates
/// are evaluated at every exit, so that each updates its state.
template <class... Gates>
class all_of : public detail::combined<Gates...> {
    using base = detail::combined<Gates...>;

public:
    static_assert(sizeof...(Gates) > 0, "earlyout: all_of needs at least one gate");
    constexpr explicit all_of(Gates... gates) : base(std::move(gates)...) {}

    decision operator()(const auto& view, typename base::token_state& token,
                        typename base::sequence_state& sequence) const {
        std::size_t exits = 0;
        std::size_t stops = 0;
        bool spent = false;
        base::for_each([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
            const decision d = this->template evaluate<I>(view, token, sequence);
            exits += d == decision::exit ? 1 : 0;
            stops += d == decision::stop ? 1 : 0;
            spent = spent || d == decision::spent;
        });
        if (spent) return decision::spent;
        if (exits == base::count) return decision::exit;
        return stops == base::count ? decision::stop : decision::go_on;
    }
};

/// Takes the first decision other than continue, but a spent budget before any. All gates are evaluated at every exit,
/// so that each updates its state.
template <class... Gates>
class any_of : public detail::combined<Gates...> {
    using base = detail::combined<Gates...>;

public:
    static_assert(sizeof...(Gates) > 0, "earlyout: any_of needs at least one gate");
    constexpr explicit any_of(Gates... gates) : base(std::move(gates)...) {}

    decision operator()(const auto& view, typename base::token_state& token,
                        typename base::sequence_state& sequence) const {
        decision result = decision::go_on;
        base::for_each([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
            const decision d = this->template evaluate<I>(view, token, sequence);
            if (result == decision::go_on || d == decision::spent) result = d;
        });
        return result;
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
