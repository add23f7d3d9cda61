// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_EXIT_PLAN_HPP
#define EARLYOUT_EXIT_EXIT_PLAN_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gates/combinators.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <ranges>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A gate evaluated after each of the given layers, with one token state across all of them.
template <class Gate, std::size_t... Layers>
struct gated_layers {
    static_assert(sizeof...(Layers) > 0 && ((Layers > 0) && ...),
                  "earlyout: after<...> takes layers numbered from 1, as in after<3>(gate)");
    Gate gate;
};

/// Places one gate after one layer, `after<3>(gate)`, or after several: `after<2, 4, 6>(gate)`.
template <std::size_t... Layers, class Gate>
[[nodiscard]] constexpr gated_layers<Gate, Layers...> after(Gate g) {
    explain_gate<Gate>();
    return {std::move(g)};
}

/// Exit layers chosen at run time: increasing, without repetition, numbered from 1.
class exit_layers {
public:
    exit_layers() = default;
    exit_layers(std::initializer_list<int> layers) : exit_layers(std::span(layers.begin(), layers.size())) {}

    /// Sorts any range of integers.
    /// @throws error (invalid_argument) for a layer below 1 or a repeated one
    template <std::ranges::input_range Range>
        requires(std::integral<std::ranges::range_value_t<Range>> &&
                 !std::same_as<std::remove_cvref_t<Range>, exit_layers>)
    // NOLINTNEXTLINE(google-explicit-constructor): implicit conversion is intended
    exit_layers(const Range& layers) {
        for (const auto layer : layers) {
            if (std::cmp_less(layer, 1)) {
                fail(errc::invalid_argument, "exit layers: layers are numbered from 1, found ", layer);
            }
            layers_.push_back(static_cast<std::size_t>(layer));
        }
        std::ranges::sort(layers_);
        const auto repeated = std::ranges::adjacent_find(layers_);
        if (repeated != layers_.end())
            fail(errc::invalid_argument, "exit layers: layer ", *repeated, " is given twice");
    }

    [[nodiscard]] std::span<const std::size_t> layers() const noexcept { return layers_; }

private:
    std::vector<std::size_t> layers_;
};

namespace detail {

template <class Group>
inline constexpr bool is_gated_layers = false;
template <class Gate, std::size_t... Layers>
inline constexpr bool is_gated_layers<gated_layers<Gate, Layers...>> = true;

/// Returns the first of increasing layers above `depth`.
[[nodiscard]] constexpr std::optional<std::size_t> next_exit(std::span<const std::size_t> layers,
                                                             std::size_t depth) noexcept {
    for (const std::size_t layer : layers) {
        if (layer > depth) return layer;
    }
    return std::nullopt;
}

inline void check_exit_layers(std::span<const std::size_t> layers, const model_shape& shape) {
    if (!layers.empty() && layers.back() > shape.layers) {
        fail(errc::out_of_range, "exit plan: expected layers 1 .. ", shape.layers, ", found ", layers.back());
    }
}

}  // namespace detail

/// Which gate is evaluated after which layer, in order of depth. A plan answers queries and never runs anything: a step
/// drives the layers and queries the plan. Either gates and layers are part of the type,
///
///     exit_plan{after<3>(margin{.threshold = 0.6f}), after<5, 6>(other_gate)}
///
/// and the loop over exits is unrolled, or one gate is evaluated after layers chosen at run time,
///
///     exit_plan{std::vector{2, 4, 6}, margin{.threshold = 0.6f}}
template <class... Groups>
class exit_plan;

template <class... Groups>
class exit_plan {
    static_assert((detail::is_gated_layers<Groups> && ...),
                  "earlyout: an exit plan consists of after<LAYERS...>(gate) parts, or of exit layers and one gate");

    template <class Group>
    struct group_traits;
    template <class Gate, std::size_t... Layers>
    struct group_traits<gated_layers<Gate, Layers...>> {
        using gate = Gate;
        static constexpr std::array<std::size_t, sizeof...(Layers)> layers{Layers...};
    };

    struct exit_at {
        std::size_t layer = 0;
        std::size_t group = 0;
    };
    static constexpr std::size_t count = (std::size_t{0} + ... + group_traits<Groups>::layers.size());

    static constexpr std::array<exit_at, count> exits = [] {
        std::array<exit_at, count> all{};
        std::size_t at = 0;
        std::size_t group = 0;
        [[maybe_unused]] const auto add = [&](const auto& layers) {
            for (const std::size_t layer : layers) all[at++] = {layer, group};
            ++group;
        };
        (add(group_traits<Groups>::layers), ...);
        std::ranges::sort(all, {}, &exit_at::layer);
        return all;
    }();
    static constexpr std::array<std::size_t, count> layer_list = [] {
        std::array<std::size_t, count> all{};
        for (std::size_t i = 0; i < count; ++i) all[i] = exits[i].layer;
        return all;
    }();
    static_assert(std::ranges::adjacent_find(layer_list) == layer_list.end(),
                  "earlyout: an exit plan has one gate per layer; combine gates with and_then, all_of or any_of");

public:
    /// The deepest exit, 0 without exits; checked against a static model shape at compile time.
    static constexpr std::size_t deepest_layer = count == 0 ? 0 : exits[count == 0 ? 0 : count - 1].layer;

    struct token_state {
        typename detail::states_of<typename group_traits<Groups>::gate...>::token states;
    };
    struct sequence_state {
        typename detail::states_of<typename group_traits<Groups>::gate...>::sequence states;
    };
    /// State of the gates for one token and for one completion.
    struct state {
        token_state token{};
        sequence_state sequence{};
    };

    constexpr explicit exit_plan(Groups... groups) : groups_(std::move(groups)...) {}

    /// Returns the exit layers in increasing order.
    [[nodiscard]] static constexpr std::span<const std::size_t> layers() noexcept { return layer_list; }
    /// Returns the union of the signals that the gates read.
    [[nodiscard]] signal_set signals() const noexcept {
        return std::apply([](const auto&... group) { return (no_signals | ... | signals_of(group.gate)); }, groups_);
    }
    /// @throws error when a layer is beyond the model's last, or a gate does not fit the model
    void check(const model_shape& shape) const {
        detail::check_exit_layers(layers(), shape);
        std::apply([&](const auto&... group) { (check_gate(group.gate, shape), ...); }, groups_);
    }
    [[nodiscard]] sequence_state start_sequence() const {
        sequence_state all{};
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((detail::state_at<I>(all.states) = earlyout::start_sequence(std::get<I>(groups_).gate)), ...);
        }(std::index_sequence_for<Groups...>{});
        return all;
    }

    /// Returns the layer after which the next gate below `depth` layers is placed; nothing when there is none.
    [[nodiscard]] static constexpr std::optional<std::size_t> next_exit(std::size_t depth) noexcept {
        return detail::next_exit(layers(), depth);
    }
    /// Returns the decision of the gate after a layer, one of layers().
    [[nodiscard]] decision ask(std::size_t layer, exit_signals& signals, state& at) const {
        decision made = decision::go_on;
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (void)((exits[I].layer == layer && (made = ask_exit<I>(signals, at), true)) || ...);
        }(std::make_index_sequence<count>{});
        return made;
    }

private:
    template <std::size_t I>
    [[nodiscard]] decision ask_exit(exit_signals& signals, state& at) const {
        constexpr std::size_t group = exits[I].group;
        return evaluate(std::get<group>(groups_).gate, signals, detail::state_at<group>(at.token.states),
                        detail::state_at<group>(at.sequence.states));
    }

    std::tuple<Groups...> groups_;
};

/// One gate after layers chosen at run time.
template <class Gate>
class exit_plan<exit_layers, Gate> {
public:
    static constexpr std::size_t deepest_layer = 0;  ///< not known at compile time
    using token_state = token_state_of<Gate>;
    using sequence_state = sequence_state_of<Gate>;
    struct state {
        token_state token{};
        sequence_state sequence{};
    };

    exit_plan(exit_layers layers, Gate g) : layers_(std::move(layers)), gate_(std::move(g)) { explain_gate<Gate>(); }

    [[nodiscard]] std::span<const std::size_t> layers() const noexcept { return layers_.layers(); }
    [[nodiscard]] signal_set signals() const noexcept { return signals_of(gate_); }
    void check(const model_shape& shape) const {
        detail::check_exit_layers(layers(), shape);
        check_gate(gate_, shape);
    }
    [[nodiscard]] sequence_state start_sequence() const { return earlyout::start_sequence(gate_); }

    [[nodiscard]] std::optional<std::size_t> next_exit(std::size_t depth) const noexcept {
        return detail::next_exit(layers(), depth);
    }
    [[nodiscard]] decision ask(std::size_t, exit_signals& signals, state& at) const {
        return evaluate(gate_, signals, at.token, at.sequence);
    }

private:
    exit_layers layers_;
    Gate gate_;
};

template <class... Groups>
    requires(detail::is_gated_layers<Groups> && ...)
exit_plan(Groups...) -> exit_plan<Groups...>;

template <class Layers, class Gate>
    requires std::convertible_to<Layers, exit_layers>
exit_plan(Layers, Gate) -> exit_plan<exit_layers, Gate>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
