// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_CHECK_EXITS_HPP
#define EARLYOUT_EXIT_CHECK_EXITS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/exit/exit_weights.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// Returns the layer in `NAME.LAYER.TENSOR`, and what follows it; layer 0 if there is none.
struct exit_tensor_name {
    std::size_t layer = 0;
    std::string_view tensor;
};

/// @throws error (malformed_file, wrong_value) for a layer that is not one of the model's
[[nodiscard]] inline exit_tensor_name parse_exit_tensor(const exit_weights& exits, std::string_view name,
                                                        std::string_view prefix) {
    const std::string_view rest = name.substr(prefix.size() + 1);
    const std::size_t dot = rest.find('.');
    const std::string_view digits = rest.substr(0, dot);
    std::size_t layer = 0;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
    if (dot == std::string_view::npos || failed != std::errc{} || std::to_string(layer) != digits) return {0, rest};
    if (layer == 0 || layer > exits.model().layers) {
        fail(errc::wrong_value, exits.source(), ": '", name, "': expected layers 1 .. ", exits.model().layers,
             ", found ", layer);
    }
    return {layer, rest.substr(dot + 1)};
}

[[noreturn]] inline void refuse_exit_tensor(const exit_weights& exits, std::string_view name, std::string_view prefix,
                                            const std::string& tensors) {
    fail(errc::malformed_file, exits.source(), ": tensor '", name, "': expected ", prefix, ".LAYER with ", tensors,
         " behind it");
}

inline void check_gate_tensors(const exit_weights& exits, const gate_info& gate, std::string_view name) {
    std::string tensors;
    for (const std::string_view known : gate.tensors) {
        tensors.append(tensors.empty() ? "." : " or .").append(known);
    }
    const exit_tensor_name found = parse_exit_tensor(exits, name, gate.name);
    if (std::ranges::find(gate.tensors, found.tensor) == gate.tensors.end()) {
        refuse_exit_tensor(exits, name, gate.name, tensors);
    }
}

inline void check_head_tensors(const exit_weights& exits, std::string_view name) {
    const std::size_t layer = parse_exit_tensor(exits, name, "head").layer;
    const std::string_view tensor = parse_exit_tensor(exits, name, "head").tensor;
    if (layer == 0 || (tensor != "weight" && tensor != "bias"))
        refuse_exit_tensor(exits, name, "head", ".weight or .bias");
    const linear_weights found = exits.head(layer);
    if (found.inputs != exits.model().d_model || found.outputs != exits.model().vocab) {
        fail(errc::wrong_shape, exits.source(), ": tensor 'head.", layer, ".weight': expected shape [",
             exits.model().vocab, ", ", exits.model().d_model, "], found [", found.outputs, ", ", found.inputs, "]");
    }
}

inline void check_adapter_tensors(const exit_weights& exits, std::string_view name) {
    const auto [layer, tensor] = parse_exit_tensor(exits, name, "adapter");
    if (layer == 0 || (tensor != "down.weight" && tensor != "up.weight")) {
        refuse_exit_tensor(exits, name, "adapter", ".down.weight or .up.weight");
    }
    const adapter_weights found = exits.adapter(layer);
    const std::size_t d_model = exits.model().d_model;
    if (found.down.inputs != d_model || found.down.outputs > d_model) {
        fail(errc::wrong_shape, exits.source(), ": tensor 'adapter.", layer, ".down.weight': expected shape [rank, ",
             d_model, "] with a rank of at most that, found [", found.down.outputs, ", ", found.down.inputs, "]");
    }
}

/// Makes the gate as a session would, with its default parameters; refuses exits for which this fails.
template <class Gate>
void check_fitted_gate(const exit_weights& exits) {
    std::vector<float> values;
    for (const gate_parameter& p : Gate::info.parameters) values.push_back(p.otherwise);
    model_shape shape;
    shape.layers = exits.model().layers;
    shape.d_model = exits.model().d_model;
    shape.vocab = exits.model().vocab;
    try {
        earlyout::check_gate(Gate::from(std::span<const float>(values), exits), shape);
    } catch (const error& e) {
        const std::string_view what = e.what();
        if (what.starts_with(exits.source())) throw;
        fail(e.code(), exits.source(), ": tensors '", Gate::info.name, "...': ", what);
    }
}

/// Checks the tensors whose names begin with the gate's. Gates are not type-erased for it: a program that chooses its
/// gate at compile time then compiles no other.
template <class Gate>
void check_tensors_of(const exit_weights& exits) {
    if constexpr (!Gate::info.tensors.empty()) {
        bool found = false;
        for (const auto& [name, tensor] : exits.tensors()) {
            if (name.size() <= Gate::info.name.size() || !name.starts_with(Gate::info.name) ||
                name[Gate::info.name.size()] != '.') {
                continue;
            }
            check_gate_tensors(exits, Gate::info, name);
            found = true;
        }
        if (found) check_fitted_gate<Gate>(exits);
    }
}
template <class... Gates>
void check_gates(const exit_weights& exits, gate_list<Gates...>) {
    (check_tensors_of<Gates>(exits), ...);
}

}  // namespace detail

/// Refuses exits that are inconsistent or do not match the model they were fitted to: layers beyond the model's, and
/// tensors of the catalogue's gates and heads with unexpected names or shapes.
/// @throws error (wrong_shape, wrong_value, missing_tensor, malformed_file, mismatch) naming the tensor
inline void check_exits(const exit_weights& exits) {
    if (!exits.layers().empty() && exits.layers().back() > exits.model().layers) {
        fail(errc::wrong_value, exits.source(), ": 'exit_layers': expected layers 1 .. ", exits.model().layers,
             ", found ", exits.layers().back());
    }
    for (const auto& [name, tensor] : exits.tensors()) {
        if (name.starts_with("head.")) detail::check_head_tensors(exits, name);
        if (name.starts_with("adapter.")) detail::check_adapter_tensors(exits, name);
    }
    detail::check_gates(exits, named_gates{});
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
