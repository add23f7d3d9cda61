// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_SWEEP_HPP
#define EARLYOUT_CALIBRATE_SWEEP_HPP

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
    /// Experts that a token chooses in each mixture, for every policy and at full depth; 0: the model's own number.
    /// Empty: the own number and, at full depth, fewer.
    std::vector<std::size_t> active_experts{};
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

template <class Model>
class sweep_maker;

/// Returns true for a policy whose speed can be compared: without stops, so that texts are equally long, and skipping
/// layers or experts, since others differ from full depth only by timing noise.
[[nodiscard]] inline bool is_comparable(const swept_policy& s) {
    const bool skips = s.measured.early.layers_skipped() > 0.0 || s.policy.active_experts != 0;
    return s.measured.early.stops == 0 && skips;
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

/// Returns the fastest policy without stops that skips layers or experts and lost no more ROUGE-L than the given share
/// on these samples, of those that are `wanted`; nullptr when there is none.
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

/// Returns the fastest policy without stops that skips layers or experts, regardless of its loss; nullptr when there is
/// none.
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

#include <earlyout/calibrate/detail/sweep_maker.hpp>

#endif
