// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_POLICY_TEXT_HPP
#define EARLYOUT_GENERATE_DETAIL_POLICY_TEXT_HPP

#include <earlyout/generate/policy_spec.hpp>

#include <charconv>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

[[nodiscard]] inline std::string number_text(float value) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

/// Returns "margin, entropy, ...".
template <class Entries, class Name>
[[nodiscard]] std::string names_of(const Entries& entries, Name name) {
    std::string all;
    for (const auto& entry : entries) all.append(all.empty() ? "" : ", ").append(name(entry));
    return all;
}

/// Checks the value of a gate's parameter. Fails with `refuse(expected, found)`.
template <class Refuse>
void check_value(const gate_parameter& p, float value, const std::string& found, Refuse refuse) {
    const bool whole = p.is_exit_count || p.name == "tokens";
    if (!(value >= p.min && value <= p.max) || (whole && std::floor(value) != value)) {
        const std::string what = whole ? "a whole number" : "a number";
        if (p.max == no_limit) refuse(what + " from " + number_text(p.min), found);
        refuse(what + " from " + number_text(p.min) + " to " + number_text(p.max), found);
    }
}

/// Returns "margin(0.9)" of a gate or drafter.
template <class Spec>
[[nodiscard]] std::string call_text(const Spec& spec) {
    const auto parameters = spec.entry().info.parameters;
    std::string arguments;
    bool in_order = true;
    for (std::size_t i = 0; i < spec.values.size(); ++i) {
        if (!spec.values[i]) {
            in_order = false;
            continue;
        }
        const gate_parameter& p = parameters[i];
        arguments += arguments.empty() ? "" : ", ";
        if (!in_order || i != 0) arguments.append(p.name).append("=");
        arguments += p.words.empty() ? number_text(*spec.values[i])
                                     : std::string(p.words[static_cast<std::size_t>(*spec.values[i])]);
    }
    return arguments.empty() ? spec.name : spec.name + "(" + arguments + ")";
}

/// Returns "2,4-8".
[[nodiscard]] inline std::string text_of(const std::vector<std::size_t>& layers) {
    std::string text;
    for (std::size_t first = 0; first < layers.size();) {
        std::size_t last = first;
        while (last + 1 < layers.size() && layers[last + 1] == layers[last] + 1) ++last;
        if (last < first + 2) last = first;  // two are written individually
        text.append(text.empty() ? "" : ",").append(std::to_string(layers[first]));
        if (last != first) text.append("-").append(std::to_string(layers[last]));
        first = last + 1;
    }
    return text;
}

}  // namespace detail

inline const gate_entry& gate_spec::entry() const {
    if (const gate_entry* const found = find_gate(name)) return *found;
    fail(errc::invalid_argument, "gate: expected one of ",
         detail::names_of(gate_catalogue(), [](const auto& e) { return e.info.name; }), ", found '",
         detail::printable(name), "'");
}

inline const drafter_entry& drafter_spec::entry() const {
    if (const drafter_entry* const found = find_drafter(name)) return *found;
    fail(errc::invalid_argument, "drafter: expected one of ",
         detail::names_of(drafter_catalogue(), [](const auto& e) { return e.info.name; }), ", found '",
         detail::printable(name), "'");
}

inline void check_gate_spec(const gate_spec& gate) {
    const auto parameters = gate.entry().info.parameters;
    for (std::size_t i = 0; i < gate.values.size(); ++i) {
        if (!gate.values[i]) continue;
        const float value = *gate.values[i];
        detail::check_value(parameters[i], value, detail::number_text(value),
                            [&](const std::string& expected, const std::string& found) {
                                fail(errc::invalid_argument, "gate ", gate.name, ": ", parameters[i].name,
                                     ": expected ", expected, ", found ", found);
                            });
    }
}

inline gate_spec make_gate_spec(std::string_view name, std::initializer_list<float> values) {
    gate_spec made{.name = std::string(name), .values = {}};
    const auto parameters = made.entry().info.parameters;
    if (values.size() > parameters.size()) {
        fail(errc::invalid_argument, "gate ", name, ": expected at most ", parameters.size(), " parameters, found ",
             values.size());
    }
    made.values.assign(values.begin(), values.end());
    made.values.resize(parameters.size());
    check_gate_spec(made);
    return made;
}

inline std::string to_string(const drafts_spec& drafts) {
    if (drafts.is_auto) return "auto";
    if (drafts.drafters.empty()) return "none";
    std::string text;
    for (const drafter_spec& one : drafts.drafters) text.append(text.empty() ? "" : "|").append(detail::call_text(one));
    return text;
}

inline std::string to_string(const policy_spec& policy) {
    std::string text = policy.is_fitted ? "fitted" : policy.gates.empty() ? "full-depth" : "";
    for (std::size_t a = 0; a < policy.gates.size(); ++a) {
        if (a != 0) text += " | ";
        for (std::size_t i = 0; i < policy.gates[a].size(); ++i) {
            text += (i != 0 ? " & " : "") + detail::call_text(policy.gates[a][i]);
        }
    }
    if (!policy.gates.empty() && !policy.layers.empty()) text += " @ " + detail::text_of(policy.layers);
    if (policy.shortlist.tokens != 0) {
        text += "; head=shortlist(" + std::to_string(policy.shortlist.tokens);
        if (policy.head != "auto") text += ", head=" + policy.head;
        if (policy.shortlist.reach == shortlist_reach::full_depth) text += ", reach=full-depth";
        text += ")";
    } else if (policy.head != "auto") {
        text += "; head=" + policy.head;
    }
    if (policy.cache != "propagate") text += "; cache=" + policy.cache;
    if (policy.cap != 0 || policy.prefill == prefill::lazy) {
        text += "(";
        if (policy.cap != 0) text += "cap=" + std::to_string(policy.cap);
        if (policy.prefill == prefill::lazy) text += std::string(policy.cap != 0 ? ", " : "") + "prefill=lazy";
        text += ")";
    }
    if (!policy.drafts.is_none()) text += "; draft=" + to_string(policy.drafts);
    if (policy.active_experts != 0) text += "; experts=" + std::to_string(policy.active_experts);
    return text;
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
