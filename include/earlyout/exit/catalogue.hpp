// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_CATALOGUE_HPP
#define EARLYOUT_EXIT_CATALOGUE_HPP

/// @file The gates that this library knows by name, from which command, sidecar and server build policies. Heads are in
/// head_catalogue.hpp.

#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/exit/gate_info.hpp>
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

/// Returns every gate that has a name. A new one takes one line here.
[[nodiscard]] inline std::span<const gate_entry> gate_catalogue() noexcept {
    static constexpr gate_entry entries[]{
        entry_of<always_exit>(),   entry_of<margin>(),     entry_of<max_probability>(), entry_of<entropy>(),
        entry_of<kl_divergence>(), entry_of<saturation>(), entry_of<patience>(),        entry_of<learn_to_exit>(),
        entry_of<mlp_router>(),    entry_of<jei_dnn>(),    entry_of<sec_gate>(),        entry_of<token_budget>(),
        entry_of<time_budget>(),
    };
    return entries;
}

/// Returns the gate of that name, or nullptr.
[[nodiscard]] inline const gate_entry* find_gate(std::string_view name) noexcept {
    for (const gate_entry& entry : gate_catalogue()) {
        if (entry.info.name == name) return &entry;
    }
    return nullptr;
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
