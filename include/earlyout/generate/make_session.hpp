// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_MAKE_SESSION_HPP
#define EARLYOUT_GENERATE_MAKE_SESSION_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/exit/any_cache_policy.hpp>
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/any_head.hpp>
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/exit/head_catalogue.hpp>
#include <earlyout/generate/any_session.hpp>
#include <earlyout/generate/drafts/any_drafter.hpp>
#include <earlyout/generate/drafts/best_of.hpp>
#include <earlyout/generate/drafts/catalogue.hpp>
#include <earlyout/generate/model.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/policy_spec.hpp>
#include <earlyout/kernels/any_format.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A policy chosen at run time.
using any_exit_policy = exit_policy<exit_plan<exit_layers, any_gate>, any_head, any_cache_policy>;

/// A model that may have exits fitted to it.
template <class Model>
concept has_fitted_exits = model<Model> && requires(const Model& m) {
    { m.has_exits() } -> std::convertible_to<bool>;
    { m.exits() } -> std::convertible_to<const exit_weights&>;
};

namespace detail {

/// Returns the model's exits.
/// @throws error when it has none, or none that match it
template <class Model>
[[nodiscard]] const exit_weights& require_exits(const Model& model) {
    if constexpr (has_fitted_exits<Model>) {
        return model.exits();
    } else {
        fail(errc::unsupported, "policy: expected a model with fitted exits, found one without");
    }
}
template <class Model>
[[nodiscard]] const exit_weights* find_exits(const Model& model) {
    if constexpr (has_fitted_exits<Model>) {
        return model.has_exits() ? &model.exits() : nullptr;
    } else {
        return nullptr;
    }
}

/// Returns a quarter, half and three quarters of the depth: a gate that reads logits costs as much as several layers of
/// a small model, so few exits are worthwhile.
[[nodiscard]] inline std::vector<std::size_t> quarters(std::size_t depth) {
    std::vector<std::size_t> layers;
    for (const std::size_t quarter : {1u, 2u, 3u}) layers.push_back(std::max<std::size_t>(1, depth * quarter / 4));
    layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
    return layers;
}

/// Returns the name of the head that exits were fitted with.
[[nodiscard]] inline std::string fitted_head(const exit_weights* exits) {
    if (exits != nullptr) {
        for (const head_entry& head : head_catalogue()) {
            if (!head.tensor.empty() && exits->has_tensors_of(head.tensor)) return std::string(head.name);
        }
    }
    return "shared";
}

/// Chooses drafters where the policy leaves that open, and for drafts at exits the exits where it has none.
/// @throws error (invalid_argument) for drafters that do not fit the policy
template <class Model>
void resolve_drafts(policy_spec& policy, const Model& model) {
    std::vector<drafter_spec>& drafters = policy.drafts.drafters;
    const bool has_exits = !policy.gates.empty();
    if (policy.drafts.is_auto) {
        policy.drafts.is_auto = false;
        if (has_exits) return;  // nothing is drafted where exits decide
        drafters = {{.name = "suffix", .values = {}}};
        if (find_exits(model) != nullptr) drafters.push_back({.name = "depth", .values = {}});
    }
    for (drafter_spec& one : drafters) {
        const auto parameters = one.entry().info.parameters;
        one.values.resize(parameters.size());
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            if (!one.values[i]) one.values[i] = parameters[i].otherwise;
        }
    }
    const bool at_exits = std::ranges::any_of(drafters, [](const drafter_spec& d) { return d.entry().uses_exits; });
    if (has_exits && !drafters.empty() && !at_exits) {
        fail(errc::invalid_argument, "policy '", to_string(policy),
             "': expected depth among the drafters of a policy with exits, since drafts are verified at full depth; "
             "found ",
             to_string(policy.drafts));
    }
    if (at_exits && !has_exits) {
        // Drafts that the exit is less sure of are rarely worth their verification.
        const model_shape& shape = network_of(model).shape();
        policy.gates = {{make_gate_spec("margin", {0.3f})}};
        policy.layers = {std::max<std::size_t>(1, shape.layers / 4)};
        if (policy.head == "auto") policy.head = fitted_head(find_exits(model));
        const head_entry* const head = find_head(policy.head);
        if (policy.shortlist.tokens == 0 && head != nullptr && head->uses_lm_head) {
            policy.shortlist.tokens = std::clamp<std::size_t>(shape.vocab / 8, 256, 2048);
        }
    }
}

}  // namespace detail

/// Returns the policy that fit chose for a gate, or without a name the best of all; nothing if it chose none.
/// @throws error (malformed_file) for a text that is not a policy
[[nodiscard]] inline std::optional<policy_spec> fitted_policy(const exit_weights& exits, std::string_view gate = {}) {
    const std::optional<std::string_view> text = exits.policy(gate);
    if (!text) return std::nullopt;
    try {
        return policy_spec::parse(*text);
    } catch (const error& e) {
        fail(errc::malformed_file, exits.source(), ": '__metadata__': 'policy", gate.empty() ? "" : ".", gate,
             "': ", e.what());
    }
}

/// Returns the policy with all defaults filled in: what was fitted, layers, head. Its text fully describes a session
/// that uses it.
/// @throws error when the policy needs exits, a layer or experts that the model does not have
template <model Model>
[[nodiscard]] policy_spec resolve(policy_spec policy, const Model& model) {
    const std::size_t depth = network_of(model).shape().layers;
    if (policy.is_fitted) {
        const exit_weights& exits = detail::require_exits(model);
        const std::optional<policy_spec> chosen = fitted_policy(exits);
        if (!chosen) {
            fail(errc::missing_tensor, exits.source(), ": '__metadata__': 'policy' is missing: no policy was fitted");
        }
        policy.is_fitted = false;
        policy.gates = chosen->gates;
        policy.layers = chosen->layers;
        if (policy.head == "auto") policy.head = chosen->head;
        if (policy.shortlist.tokens == 0) policy.shortlist = chosen->shortlist;
        if (policy.drafts.is_none()) policy.drafts = chosen->drafts;
        if (policy.cache == "propagate") {
            policy.cache = chosen->cache;
            policy.cap = chosen->cap;
            policy.prefill = chosen->prefill;
        }
        if (policy.active_experts == 0) policy.active_experts = chosen->active_experts;
    }
    detail::resolve_drafts(policy, model);
    const auto is_fitted = [](const gate_spec& gate) { return gate.entry().is_fitted(); };
    bool some_fitted = false;
    for (auto& chain : policy.gates) {
        // A fitted gate without parameters uses the fitted ones, with the check that was chosen for it.
        if (chain.size() == 1 && is_fitted(chain.front()) && chain.front().is_bare()) {
            const std::optional<policy_spec> chosen = fitted_policy(detail::require_exits(model), chain.front().name);
            some_fitted = true;
            if (chosen && !chosen->gates.empty()) chain = chosen->gates.front();
            if (chosen && policy.layers.empty()) policy.layers = chosen->layers;
        }
        for (gate_spec& gate : chain) {
            some_fitted = some_fitted || is_fitted(gate);
            const auto parameters = gate.entry().info.parameters;
            gate.values.resize(parameters.size());
            for (std::size_t i = 0; i < parameters.size(); ++i) {
                if (!gate.values[i]) gate.values[i] = parameters[i].otherwise;
            }
        }
    }
    if (policy.gates.empty()) {
        policy.layers.clear();
    } else if (policy.layers.empty() && some_fitted) {
        const auto layers = detail::require_exits(model).layers();
        policy.layers.assign(layers.begin(), layers.end());
    }
    if (!policy.gates.empty() && policy.layers.empty()) policy.layers = detail::quarters(depth);
    if (const gate_spec* gate = policy.main_gate(); gate != nullptr && gate->name == always_exit::info.name) {
        policy.layers.resize(1);  // no token goes further
    }
    detail::check_exit_layers(policy.layers, network_of(model).shape());
    check_active_experts(policy.active_experts, network_of(model).shape());
    if (policy.head == "auto") {
        policy.head = policy.gates.empty() ? "shared" : detail::fitted_head(detail::find_exits(model));
    }
    return policy;
}

/// Makes the head that a policy names.
/// @throws error when it needs exits that the model does not have
template <model Model>
[[nodiscard]] any_head make_head(const policy_spec& policy, const Model& model) {
    const std::string name = policy.head == "auto" ? detail::fitted_head(detail::find_exits(model)) : policy.head;
    const head_entry* const entry = find_head(name);
    if (entry == nullptr) fail(errc::invalid_argument, "head: expected one of the catalogue, found ", name);
    const exit_weights* const exits = entry->tensor.empty() ? nullptr : &detail::require_exits(model);
    const any_format format(network_of(model).output().weight().format_name());
    return entry->make(exits, format, policy.shortlist);
}

/// Makes the policy with an existing head: packing one takes time.
/// @throws error as resolve()
template <model Model>
[[nodiscard]] any_exit_policy make_policy(policy_spec policy, const Model& model, any_head head) {
    policy = resolve(std::move(policy), model);
    std::vector<std::vector<composed_gate::part>> gates;
    for (const auto& chain : policy.gates) {
        auto& parts = gates.emplace_back();
        for (const gate_spec& gate : chain) {
            std::vector<float> values;
            for (const auto& value : gate.values) values.push_back(*value);
            const gate_entry& entry = gate.entry();
            parts.push_back(entry.make(values, entry.is_fitted() ? &detail::require_exits(model) : nullptr));
        }
    }
    any_gate gate = gates.empty() ? any_gate(never_exit{}) : any_gate(composed_gate(std::move(gates)));
    any_cache_policy cache = propagate{};
    if (policy.cache == "omit") cache = omit{};
    if (policy.cache == "defer") {
        cache = defer{.cap = policy.cap != 0 ? policy.cap : defer{}.cap, .prefill = policy.prefill};
    }
    any_exit_policy made{exit_plan{exit_layers(policy.layers), std::move(gate)}, std::move(head), std::move(cache)};
    made.active_experts = policy.active_experts;
    return made;
}
template <model Model>
[[nodiscard]] any_exit_policy make_policy(const policy_spec& policy, const Model& model) {
    return make_policy(policy, model, policy.is_full_depth() ? any_head() : make_head(policy, model));
}

/// Makes the drafter that a policy names: the best of several.
[[nodiscard]] inline any_drafter make_drafter(const drafts_spec& drafts, const draft_sources& sources = {}) {
    any_drafter made;
    for (auto one = drafts.drafters.rbegin(); one != drafts.drafters.rend(); ++one) {
        std::vector<float> values;
        for (const auto& value : one->values) values.push_back(*value);
        any_drafter next = one->entry().make(values, sources);
        made = made.proposes_nothing() ? std::move(next) : any_drafter(best_of{std::move(next), std::move(made)});
    }
    return made;
}

/// Makes a session that follows a policy: `make_session(model, policy_spec::parse("margin(0.9) @ 2,4"))`.
/// @param model   must outlive the session
/// @param sources what its drafters draft from, apart from the session's own tokens
/// @throws error as resolve() and as session's constructor
template <model Model>
[[nodiscard]] any_session make_session(const Model& model, const policy_spec& policy, const session_options& options,
                                       const any_head& head, const draft_sources& sources = {}) {
    const policy_spec resolved = resolve(policy, model);
    return any_session(model, make_policy(resolved, model, head), make_drafter(resolved.drafts, sources), options);
}
template <model Model>
[[nodiscard]] any_session make_session(const Model& model, const policy_spec& policy,
                                       const session_options& options = {}, const draft_sources& sources = {}) {
    const policy_spec resolved = resolve(policy, model);
    return make_session(model, resolved, options, resolved.is_full_depth() ? any_head() : make_head(resolved, model),
                        sources);
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
