// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_SWEEP_HPP
#define EARLYOUT_CALIBRATE_SWEEP_HPP

#include <earlyout/calibrate/candidates.hpp>
#include <earlyout/calibrate/evaluate.hpp>
#include <earlyout/calibrate/policy_intervals.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/policy_spec.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Selects which policies a sweep tries: all combinations.
struct sweep_options {
    std::vector<policy_spec> policies;             ///< only these, if there are any
    std::vector<std::string> gates;                ///< empty: the catalogue's default sweep and all fitted gates
    std::vector<float> thresholds;                 ///< empty: each gate's grid
    std::vector<std::size_t> layers;               ///< empty: each gate's default
    std::vector<float> check_margins{0.0f, 0.3f};  ///< of fitted gates that read no logits; 0: no check
    std::vector<std::size_t> shortlists{0};        ///< for gates that read logits; 0: no shortlist
    shortlist_reach reach = shortlist_reach::exits;
    std::vector<std::string> caches{"propagate", "defer"};
    std::vector<std::size_t> defer_caps{0};      ///< of defer; 0: none
    earlyout::prefill prefill = prefill::eager;  ///< of defer
    std::string head = "auto";
    bool paper = false;  ///< the Stop&Exit paper's configuration alone
};

/// One policy and its results.
struct swept_policy {
    policy_spec policy;  ///< as given
    std::vector<std::size_t> layers;
    std::string head;
    paired_evaluation measured;
    policy_intervals intervals;  ///< of what was measured; without them it is no win
};

namespace detail {

/// Makes the policies of a sweep.
template <class Model>
class sweep_maker {
public:
    sweep_maker(const Model& model, const sweep_options& options) : model_(model), o_(options) {}

    [[nodiscard]] std::vector<policy_spec> make() {
        for (const policy_spec& policy : o_.policies) add(policy);
        if (!o_.policies.empty()) return std::move(made_);
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

    /// Combines a policy with every cache policy.
    [[nodiscard]] std::vector<policy_spec> caches() const {
        std::vector<policy_spec> all;
        for (const std::string& cache : o_.caches) {
            policy_spec policy;
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
        return all;
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

/// Returns true for a policy whose speed can be compared: without stops, so that texts are equally long, and skipping
/// layers, since others differ from full depth only by timing noise.
[[nodiscard]] inline bool is_comparable(const swept_policy& s) {
    return s.measured.early.stops == 0 && s.measured.early.layers_skipped() > 0.0;
}

}  // namespace detail

/// Returns the configuration of Sun et al., ICSE 2024: untied heads, one linear gate, also evaluated after the last
/// layer, where it may stop; skipped layers' keys and values propagated; thresholds of exit and of stop swept one at a
/// time, with the other switched off. Prompt and first token run at full depth, as with every eager prefill.
template <model Model>
[[nodiscard]] sweep_options paper_sweep(const Model& model, sweep_options options) {
    options.gates = {std::string(sec_gate::info.name)};
    options.caches = {"propagate"};
    options.prefill = prefill::eager;
    options.head = "own";
    if (options.layers.empty()) {
        const auto layers = earlyout::detail::require_exits(model).layers();
        options.layers.assign(layers.begin(), layers.end());
        options.layers.push_back(network_of(model).shape().layers);
    }
    return options;
}

/// Returns every policy of a sweep, each gate's from the most conservative on.
/// @throws error for a policy that the model does not support
template <model Model>
[[nodiscard]] std::vector<policy_spec> make_sweep(const Model& model, const sweep_options& options) {
    const sweep_options chosen = options.paper ? paper_sweep(model, options) : options;
    return detail::sweep_maker<Model>(model, chosen).make();
}

/// Returns the fastest policy without stops that skips layers and lost no more ROUGE-L than the given share on these
/// samples, of those that are `wanted`; nullptr when there is none.
template <class Wanted>
[[nodiscard]] const swept_policy* fastest_at_loss(const std::vector<swept_policy>& all, double loss, Wanted wanted) {
    const swept_policy* best = nullptr;
    double speedup = 1.0;
    for (const swept_policy& s : all) {
        if (!detail::is_comparable(s) || s.measured.rouge_l_loss() > loss || !wanted(s)) continue;
        if (const double found = s.measured.decode_speedup(); found > speedup) {
            speedup = found;
            best = &s;
        }
    }
    return best;
}
/// Returns the one that these samples make likely: their own result, whatever its uncertainty.
[[nodiscard]] inline const swept_policy* promising_at_loss(const std::vector<swept_policy>& all, double loss) {
    return fastest_at_loss(all, loss, [](const swept_policy&) { return true; });
}
/// Returns the one that wins: its intervals say that it loses no more and is faster than full depth.
[[nodiscard]] inline const swept_policy* best_at_loss(const std::vector<swept_policy>& all, double loss) {
    return fastest_at_loss(all, loss, [loss](const swept_policy& s) {
        return shows_win(s.intervals, s.measured.early.results.size(), loss);
    });
}

/// Returns the fastest policy without stops that skips layers, regardless of its loss; nullptr when there is none.
[[nodiscard]] inline const swept_policy* fastest(const std::vector<swept_policy>& all) {
    const swept_policy* best = nullptr;
    for (const swept_policy& s : all) {
        if (!detail::is_comparable(s)) continue;
        if (best == nullptr || s.measured.decode_speedup() > best->measured.decode_speedup()) best = &s;
    }
    return best;
}

/// Returns, of the policies that stopped completions with at least the given precision, the one that saved the most
/// work; nullptr when there is none.
[[nodiscard]] inline const swept_policy* best_stop_at_precision(const std::vector<swept_policy>& all,
                                                                const std::vector<sample>& samples, double precision) {
    const swept_policy* best = nullptr;
    for (const swept_policy& s : all) {
        if (s.measured.early.stops == 0 || s.measured.stops(samples).precision() < precision) continue;
        if (best == nullptr || s.measured.work_saved() > best->measured.work_saved()) best = &s;
    }
    return best;
}

/// Returns the Pareto front: policies without stops that skip layers and are faster than full depth, such that no other
/// is both as fast and as accurate; from the slowest.
[[nodiscard]] inline std::vector<const swept_policy*> pareto_front(const std::vector<swept_policy>& all) {
    std::vector<const swept_policy*> front;
    for (const swept_policy& s : all) {
        if (detail::is_comparable(s) && s.measured.decode_speedup() > 1.0) front.push_back(&s);
    }
    std::ranges::sort(front, [](const swept_policy* a, const swept_policy* b) {
        return a->measured.decode_speedup() > b->measured.decode_speedup();
    });
    double least = 2.0;  // of the faster policies
    std::erase_if(front, [&](const swept_policy* s) {
        const double loss = s->measured.rouge_l_loss();
        if (loss >= least) return true;
        least = loss;
        return false;
    });
    std::ranges::reverse(front);
    return front;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
