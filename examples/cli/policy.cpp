// SPDX-License-Identifier: MIT
#include "policy.hpp"

#include <earlyout/calibrate/candidates.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/generate/make_session.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cli {

namespace {

using eo::errc;
using eo::fail;

/// Sets a parameter; an error names the option that gave it.
void set(eo::gate_spec& gate, std::string_view parameter, float value, const char* option) {
    const auto parameters = gate.entry().info.parameters;
    const auto found = std::ranges::find(parameters, parameter, &eo::gate_parameter::name);
    if (found == parameters.end()) {
        fail(errc::invalid_argument, option, ": expected an --exit-gate with such a threshold, found ", gate.name);
    }
    gate.values.resize(parameters.size());
    gate.values[static_cast<std::size_t>(found - parameters.begin())] = value;
    try {
        check_gate_spec(gate);
    } catch (const eo::error& e) {
        fail(errc::invalid_argument, option, ": ", e.what());
    }
}

/// The gate and what checks it: what was fitted, with what the options say in its place.
std::vector<eo::gate_spec> chain_of(const model& m, const exit_options& chosen, eo::policy_spec& policy) {
    std::vector<eo::gate_spec> chain{eo::make_gate_spec(chosen.gate)};
    const eo::gate_entry& entry = chain.front().entry();
    const bool given = chosen.threshold || chosen.stop_threshold || chosen.check_margin;
    if (entry.is_fitted() && m.has_exits()) {
        const std::optional<eo::policy_spec> fitted = fitted_policy(m.exits(), chosen.gate);
        if (fitted && policy.layers.empty()) policy.layers = fitted->layers;
        if (fitted && !fitted->gates.empty()) chain = fitted->gates.front();
        if (fitted && fitted->gates.empty() && !given) return {};  // nothing was faster: full depth
    }
    if (chosen.threshold) {
        if (entry.info.parameters.empty()) {
            fail(errc::invalid_argument, "--threshold: expected an --exit-gate that has one, found ", chosen.gate);
        }
        set(chain.front(), entry.info.parameters.front().name, *chosen.threshold, "--threshold");
    }
    if (chosen.stop_threshold) set(chain.front(), "stop", *chosen.stop_threshold, "--stop-threshold");
    if (chosen.check_margin) {
        if (!eo::calibrate::can_be_checked(entry)) {
            fail(errc::invalid_argument, "--check-margin: expected --exit-gate learn-to-exit or mlp-router, found ",
                 chosen.gate);
        }
        chain.resize(1);
        if (*chosen.check_margin > 0.0f) {
            set(chain.emplace_back(eo::make_gate_spec("margin")), "threshold", *chosen.check_margin, "--check-margin");
        }
    }
    return chain;
}

}  // namespace

eo::policy_spec policy_of(const model& m, const exit_options& chosen) {
    if (!chosen.policy.empty()) {
        if (chosen.kv != "propagate" || chosen.defer_cap != 0 || chosen.prefill != "eager" || chosen.head != "auto") {
            fail(errc::invalid_argument,
                 "--policy: expected no --kv, --defer-cap, --prefill or --exit-head beside it: the policy names them");
        }
        return eo::policy_spec::parse(chosen.policy);
    }
    if (chosen.prefill == "lazy" && chosen.kv != "defer") {
        fail(errc::invalid_argument, "--prefill lazy: expected --kv defer, found --kv ", chosen.kv);
    }
    if (chosen.defer_cap != 0 && chosen.kv != "defer") {
        fail(errc::invalid_argument, "--defer-cap: expected --kv defer, found --kv ", chosen.kv);
    }
    eo::policy_spec policy;
    policy.cache = chosen.kv;
    policy.cap = chosen.defer_cap;
    policy.prefill = chosen.prefill == "lazy" ? eo::prefill::lazy : eo::prefill::eager;
    if (chosen.gate == "none") {
        if (chosen.token_budget != 0 || chosen.time_budget > 0.0) {
            fail(errc::invalid_argument,
                 "--token-budget, --time-budget: expected an --exit-gate with exits that can act on it, found none");
        }
        return policy;
    }
    policy.layers = chosen.layers;
    policy.head = chosen.head;
    if (chosen.shortlist != 0) {
        policy.shortlist = {chosen.shortlist, chosen.shortlist_reach == "full-depth" ? eo::shortlist_reach::full_depth
                                                                                     : eo::shortlist_reach::exits};
        if (chosen.shortlist < 2) fail(errc::invalid_argument, "--shortlist: expected at least 2 tokens, found 1");
    }
    auto chain = chain_of(m, chosen, policy);
    if (chain.empty()) return policy;
    const float then = chosen.over_budget == "exit" ? 1.0f : 0.0f;
    if (chosen.token_budget != 0) {
        policy.gates.push_back({eo::make_gate_spec("token-budget", {static_cast<float>(chosen.token_budget), then})});
    }
    if (chosen.time_budget > 0.0) {
        policy.gates.push_back({eo::make_gate_spec("time-budget", {static_cast<float>(chosen.time_budget), then})});
    }
    policy.gates.push_back(std::move(chain));
    return policy;
}

eo::session_options session_options_of(const run_options& run) {
    return {.capacity = run.capacity,
            .threads = run.threads,
            .prefill_threads = run.prefill_threads,
            .kv = eo::any_kv_format(run.kv_dtype)};
}

eo::any_session make_session(const model& m, const exit_options& chosen, const run_options& run) {
    return eo::make_session(m, policy_of(m, chosen), session_options_of(run));
}

}  // namespace cli
