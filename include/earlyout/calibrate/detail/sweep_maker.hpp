// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_DETAIL_SWEEP_MAKER_HPP
#define EARLYOUT_CALIBRATE_DETAIL_SWEEP_MAKER_HPP

#include <earlyout/calibrate/candidates.hpp>
#include <earlyout/calibrate/sweep.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/policy_spec.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate { namespace detail {

/// Makes the policies of a sweep.
template <class Model>
class sweep_maker {
public:
    sweep_maker(const Model& model, const sweep_options& options) : model_(model), o_(options) {}

    [[nodiscard]] std::vector<policy_spec> make() {
        for (const policy_spec& policy : o_.policies) add(policy);
        if (!o_.policies.empty()) return std::move(made_);
        for (const std::size_t experts : o_.active_experts.empty() ? fewer_experts() : o_.active_experts) {
            policy_spec policy;
            policy.active_experts = experts;
            if (experts != 0) add(policy);
        }
        for (const gate_entry& entry : gate_catalogue()) {
            if (!is_tried(entry)) continue;
            for (const policy_spec& cache : caches()) add_gate(entry, cache);
        }
        return std::move(made_);
    }

private:
    /// Validates every policy before anything is measured.
    void add(const policy_spec& policy) {
        if (std::ranges::find(made_, policy) != made_.end()) return;
        (void)make_policy(policy, model_, any_head());
        made_.push_back(policy);
    }

    [[nodiscard]] const exit_weights* exits() const { return earlyout::detail::find_exits(model_); }

    [[nodiscard]] bool is_tried(const gate_entry& entry) const {
        if (!o_.gates.empty()) return std::ranges::find(o_.gates, entry.info.name) != o_.gates.end();
        if (!entry.is_fitted()) return entry.info.in_default_sweep;
        const exit_weights* const fitted = exits();
        return fitted != nullptr && fitted->has_tensors_of(entry.info.name);
    }

    /// Returns three quarters of the model's own number of experts, half, a quarter, and one.
    [[nodiscard]] std::vector<std::size_t> fewer_experts() const {
        const std::size_t own = network_of(model_).shape().active_experts;
        std::vector<std::size_t> all;
        for (const std::size_t n : {own * 3 / 4, own / 2, own / 4, std::size_t{1}}) {
            if (n != 0 && n < own && std::ranges::find(all, n) == all.end()) all.push_back(n);
        }
        return all;
    }

    /// Combines a policy with every number of experts and every cache policy.
    [[nodiscard]] std::vector<policy_spec> caches() const {
        std::vector<policy_spec> all;
        for (const std::size_t experts : o_.active_experts.empty() ? std::vector<std::size_t>{0} : o_.active_experts) {
            add_caches(experts, all);
        }
        return all;
    }
    void add_caches(std::size_t experts, std::vector<policy_spec>& all) const {
        for (const std::string& cache : o_.caches) {
            policy_spec policy;
            policy.active_experts = experts;
            policy.head = o_.head;
            policy.layers = o_.layers;
            policy.cache = cache;
            if (cache != "defer") {
                all.push_back(policy);
                continue;
            }
            policy.prefill = o_.prefill;
            for (const std::size_t cap : o_.defer_caps) {
                policy.cap = cap;
                all.push_back(policy);
            }
        }
    }

    void add_gate(const gate_entry& entry, const policy_spec& cache) {
        policy_spec policy = cache;
        if (entry.info.name == always_exit::info.name) return add_fixed(policy);
        const std::optional<policy_spec> chosen =
            entry.is_fitted() && exits() != nullptr ? fitted_policy(*exits(), entry.info.name) : std::nullopt;
        if (chosen) add_fitted(*chosen, cache);
        if (chosen && policy.layers.empty()) policy.layers = chosen->layers;
        for (std::size_t p = 0; p < entry.info.parameters.size(); ++p) {
            if (entry.info.parameters[p].grid.empty()) continue;
            for (const float margin : margins(entry)) {
                policy.gates = {checked_chain(with_parameter(entry, p, entry.info.parameters[p].grid.front()), margin)};
                for (policy_spec& variant : variants(entry, policy)) add_thresholds(entry, p, margin, variant);
            }
        }
    }

    /// Adds the policies that fit chose, so that a sweep always includes them.
    void add_fitted(const policy_spec& chosen, const policy_spec& cache) {
        if (chosen.gates.empty() || !o_.thresholds.empty() || !o_.layers.empty()) return;
        policy_spec policy = cache;
        policy.gates = chosen.gates;
        policy.layers = chosen.layers;
        policy.shortlist = chosen.shortlist;
        add(policy);
    }

    void add_fixed(policy_spec policy) {
        policy.gates = {{make_gate_spec(always_exit::info.name)}};
        for (std::size_t layer = network_of(model_).shape().layers - 1; layer >= 1; --layer) {
            if (!o_.layers.empty() && std::ranges::find(o_.layers, layer) == o_.layers.end()) continue;
            policy.layers = {layer};
            add(policy);
        }
    }

    [[nodiscard]] std::vector<float> margins(const gate_entry& entry) const {
        return can_be_checked(entry) ? o_.check_margins : std::vector{0.0f};
    }

    /// Returns the default exits and, for a gate that reads logits, the first of them alone: a check that does not exit
    /// costs as much as several layers of a small model. Each with every usable size of shortlist.
    [[nodiscard]] std::vector<policy_spec> variants(const gate_entry& entry, const policy_spec& policy) const {
        std::vector<policy_spec> layered{policy};
        if (entry.info.in_default_sweep && policy.layers.empty()) {
            layered.push_back(policy);
            layered.back().layers = {resolve(policy, model_).layers.front()};
        }
        std::vector<policy_spec> all;
        for (policy_spec& variant : layered) {
            const bool reads = std::ranges::any_of(variant.gates.front(),
                                                   [](const gate_spec& gate) { return gate.entry().reads_logits(); });
            const bool usable =
                reads && (resolve(variant, model_).layers.size() > 1 || o_.reach == shortlist_reach::full_depth);
            for (const std::size_t tokens : o_.shortlists) {
                variant.shortlist = usable && tokens != 0 ? shortlist_use{tokens, o_.reach} : shortlist_use{};
                if (std::ranges::find(all, variant) == all.end()) all.push_back(variant);
            }
        }
        return all;
    }

    void add_thresholds(const gate_entry& entry, std::size_t parameter, float margin, policy_spec& policy) {
        const gate_parameter& p = entry.info.parameters[parameter];
        const std::size_t exits = resolve(policy, model_).layers.size();
        for (const float value : o_.thresholds.empty() ? grid_of(p, exits) : o_.thresholds) {
            if (always_exits(p, value, margin)) continue;
            policy.gates.front().front() = with_parameter(entry, parameter, value);
            check_gate_spec(policy.gates.front().front());
            add(policy);
        }
    }

    const Model& model_;
    const sweep_options& o_;
    std::vector<policy_spec> made_;
};

}}}}  // namespace earlyout::EARLYOUT_ABI::calibrate::detail

#endif
