// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_CATALOGUE_HPP
#define EARLYOUT_EXIT_CATALOGUE_HPP

/// @file The gates that this library knows by name, from which command, sidecar and server build policies. Heads are in
/// head_catalogue.hpp.

#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/exit/gate_info.hpp>
#include <earlyout/exit/gates/agreement.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/budget.hpp>
#include <earlyout/exit/gates/composed_gate.hpp>
#include <earlyout/exit/gates/entropy.hpp>
#include <earlyout/exit/gates/jei_dnn.hpp>
#include <earlyout/exit/gates/kl_divergence.hpp>
#include <earlyout/exit/gates/learn_to_exit.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/gates/max_probability.hpp>
#include <earlyout/exit/gates/mlp_router.hpp>
#include <earlyout/exit/gates/patience.hpp>
#include <earlyout/exit/gates/saturation.hpp>
#include <earlyout/exit/gates/sec_gate.hpp>

#include <span>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A gate with a name.
struct gate_entry {
    gate_info info;
    signal_set signals;
    /// Makes a gate. values: one for each of info.parameters; exits: the fitted weights, which must outlive the gate
    /// and may be null for a gate that is not fitted
    composed_gate::part (*make)(std::span<const float> values, const exit_weights* exits) = nullptr;

    [[nodiscard]] constexpr bool is_fitted() const noexcept { return !info.tensors.empty(); }
    /// Returns true when the gate reads a signal computed from an exit's logits.
    [[nodiscard]] constexpr bool reads_logits() const noexcept {
        return signals.contains(signal::logits) || signals.contains(signal::argmax) ||
               signals.contains(signal::max_probability) || signals.contains(signal::margin) ||
               signals.contains(signal::entropy) || signals.contains(signal::divergence);
    }
};

/// Returns the entry of a gate: a type with `info` and a static `from(values)`, or `from(values, exits)` if it is
/// fitted.
template <class Gate>
[[nodiscard]] constexpr gate_entry entry_of() noexcept {
    return {.info = Gate::info,
            .signals = Gate::signals,
            .make = [](std::span<const float> values, const exit_weights* exits) -> composed_gate::part {
                if constexpr (requires { Gate::from(values); }) {
                    (void)exits;
                    return Gate::from(values);
                } else {
                    return Gate::from(values, *exits);
                }
            }};
}

/// A list of gate types.
template <class... Gates>
struct gate_list {};

/// Every gate that has a name. A new one takes one line here.
using named_gates = gate_list<always_exit, margin, max_probability, entropy, kl_divergence, saturation, patience,
                              learn_to_exit, mlp_router, jei_dnn, agreement, sec_gate, token_budget, time_budget>;

namespace detail {

template <class List>
inline constexpr bool gate_entries = false;
template <class... Gates>
inline constexpr gate_entry gate_entries<gate_list<Gates...>>[] { entry_of<Gates>()... };

}  // namespace detail

/// Returns the entries of the named gates.
[[nodiscard]] inline std::span<const gate_entry> gate_catalogue() noexcept { return detail::gate_entries<named_gates>; }

/// Returns the gate of that name, or nullptr.
[[nodiscard]] inline const gate_entry* find_gate(std::string_view name) noexcept {
    for (const gate_entry& entry : gate_catalogue()) {
        if (entry.info.name == name) return &entry;
    }
    return nullptr;
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
