// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_THRESHOLD_SEARCH_HPP
#define EARLYOUT_CALIBRATE_THRESHOLD_SEARCH_HPP

#include <earlyout/calibrate/candidates.hpp>
#include <earlyout/calibrate/measured_policy.hpp>
#include <earlyout/calibrate/monitor.hpp>
#include <earlyout/calibrate/policy_intervals.hpp>
#include <earlyout/calibrate/policy_trials.hpp>
#include <earlyout/calibrate/risk.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/policy_spec.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

struct threshold_options {
    double loss = 0.011;                                    ///< share of ROUGE-L that may be lost
    double front_loss = 0.05;                               ///< policies up to this loss are tried, for the front
    std::vector<std::size_t> layers;                        ///< layers that exits were fitted after
    double confidence = 0.95;                               ///< of intervals that must support it; 0: means decide
    bool few_layers = true;                                 ///< also try one or two of them alone
    std::vector<float> check_margins{0.0f, 0.3f};           ///< of gates that can be checked; 0: no check
    std::vector<std::string> caches{"propagate", "defer"};  ///< cache policies to try
    bool are_timed = true;                                  ///< the winners; false: what their work costs decides
    std::size_t prompt_memory = std::size_t{256} << 20;     ///< bytes for prompts that every policy continues
    policy_spec base;                                       ///< head to complete with, and whatever else is fixed
};

/// Chooses the thresholds of gates by completing prompts and comparing with full depth. Policies are chosen by what
/// their work costs on this machine, and the fastest of them timed. Once cancelled, every call returns immediately with
/// what it has.
template <model Model>
class threshold_search {
public:
    /// @param model with the exits to be tried; all must outlive the search
    threshold_search(const Model& model, const threshold_options& options, const monitor& watch)
        : model_(model), o_(options), watch_(watch) {}

    /// Tries, for every cache policy, set of layers and check, thresholds up to where the loss exceeds what is of
    /// interest; returns the fastest of them all.
    [[nodiscard]] gate_choice choose(const std::string& gate, policy_trials<Model>& trials) const {
        gate_choice choice;
        choice.gate = gate;
        choice.chosen.policy = o_.base;
        const std::size_t samples = trials.samples().size();
        const std::vector<std::vector<policy_spec>> sequences = sequences_of(gate);
        std::size_t all = 0;
        for (const auto& policies : sequences) all += policies.size();
        const std::string stage = "completing " + std::to_string(samples) + " prompts with " + gate;
        std::size_t done = 0;  // or left away
        for (const std::vector<policy_spec>& policies : sequences) {
            for (std::size_t i = 0; i < policies.size(); ++i) {
                watch_.report(stage, done + i, all);
                if (watch_.is_cancelled()) return choice;
                choice.tried.push_back(trials.predict(policies[i]));
                const measured_policy& found = choice.tried.back();
                if (found.loss <= o_.loss) take(choice, found, samples);
                if (found.loss > std::max(o_.loss, o_.front_loss)) break;
            }
            done += policies.size();
        }
        return choice;
    }

    /// Returns all policies that choose() may try.
    [[nodiscard]] std::vector<policy_spec> policies_of(const std::string& gate) const {
        std::vector<policy_spec> all;
        for (const auto& policies : sequences_of(gate)) all.insert(all.end(), policies.begin(), policies.end());
        return all;
    }
    /// Times the fastest policies that were tried, in turns with full depth; the chosen one is the fastest whose time
    /// supports it.
    void confirm(gate_choice& choice, const policy_trials<Model>& trials) const {
        constexpr std::size_t max_timed = 3;
        const std::size_t samples = trials.samples().size();
        const std::vector<measured_policy> candidates = winners(choice, samples);
        choice.found = false;
        choice.chosen = {.policy = o_.base, .intervals = {}, .work = {}};
        for (std::size_t c = 0; c < std::min(candidates.size(), max_timed); ++c) {
            watch_.report("timing " + to_string(candidates[c].policy));
            if (watch_.is_cancelled()) return;
            take(choice, o_.are_timed ? trials.time(candidates[c].policy) : candidates[c], samples);
        }
        if (choice.found) choice.promising.reset();
        if (choice.promising) {
            const measured_policy& p = *choice.promising;
            choice.samples_needed = samples_to_support(p.loss, p.intervals.rouge_l_loss, o_.loss, samples);
        }
    }

    /// Replaces the chosen policy by the fastest of those within the target that also stays within it in the other
    /// weight formats; if none of the first few does, by the one that does in the most formats.
    /// @param others trials with the same model in other formats
    void check_formats(gate_choice& choice, std::span<std::pair<std::string, policy_trials<Model>>> others,
                       std::size_t samples) const {
        if (others.empty() || !choice.found) return;
        constexpr std::size_t max_tries = 12;
        std::vector<measured_policy> candidates{choice.chosen};
        for (const measured_policy& row : winners(choice, samples)) {
            if (!(row.policy == choice.chosen.policy)) candidates.push_back(row);
        }
        candidates.resize(std::min(candidates.size(), max_tries));
        std::size_t max_held = 0;
        for (std::size_t c = 0; c < candidates.size(); ++c) {
            std::vector<checked_format> checked;
            for (auto& [name, trials] : others) {
                watch_.report("checking thresholds with weights in " + name);
                if (watch_.is_cancelled()) return;
                const measured_policy found = trials.predict(candidates[c].policy);
                checked.push_back({name, found, loses_no_more(found, samples)});
            }
            const auto held = static_cast<std::size_t>(std::ranges::count(checked, true, &checked_format::holds));
            if (c != 0 && held <= max_held) continue;
            max_held = held;
            choice.formats = checked;
            choice.chosen = candidates[c];
            if (held == others.size()) break;
        }
    }

    /// Replaces the chosen threshold by the boldest that a test on held-out texts allows; layers, check and the order
    /// of thresholds are fixed beforehand.
    /// @param trials with one prompt of each held-out text
    void guarantee(gate_choice& choice, policy_trials<Model>& trials, const guarantee_options& options) const {
        if (!choice.found) return;
        guarantee_result& g = choice.guarantee.emplace();
        g.eps = options.eps;
        g.delta = options.in_expectation ? 0.0 : options.delta;
        g.samples = trials.samples().size();
        g.needed = options.in_expectation ? samples_for_expectation(g.eps) : samples_needed(g.eps, g.delta);
        const std::vector<gate_spec>& chain = choice.chosen.policy.gates.front();
        const float margin = chain.size() > 1 ? *chain[1].values[0] : 0.0f;
        for (const policy_spec& policy : from_conservative(choice.gate, choice.chosen.policy, margin)) {
            g.policies.push_back(policy);
            if (policy == choice.chosen.policy) break;  // bolder thresholds already lost too much
        }
        std::vector<sample_losses> losses;
        for (const policy_spec& policy : g.policies) {
            watch_.report("guarantee: " + to_string(policy));
            losses.push_back(trials.losses(policy));
            if (watch_.is_cancelled()) return;
        }
        g.result =
            options.in_expectation ? control_expected_risk(losses, g.eps) : learn_then_test(losses, g.eps, g.delta);
        choice.found = g.result.chosen.has_value();
        choice.chosen.policy = choice.found ? g.policies[*g.result.chosen] : o_.base;
    }

private:
    /// Returns true if a policy loses no more than the target, for all that is known.
    [[nodiscard]] bool loses_no_more(const measured_policy& of, std::size_t samples) const {
        if (o_.confidence <= 0.0) return of.loss <= o_.loss;
        return shows_loss(of.intervals, samples, o_.loss);
    }
    /// Returns true if it is faster than full depth, too.
    [[nodiscard]] bool wins(const measured_policy& of, std::size_t samples) const {
        return loses_no_more(of, samples) &&
               (o_.confidence <= 0.0 ? of.speedup : of.intervals.decode_speedup.low) > 1.0;
    }
    void take(gate_choice& choice, const measured_policy& found, std::size_t samples) const {
        if (wins(found, samples)) {
            if (found.speedup > choice.chosen.speedup) {
                choice.chosen = found;
                choice.found = true;
            }
        } else if (found.speedup > (choice.promising ? choice.promising->speedup : 1.0)) {
            choice.promising = found;
        }
    }
    /// Returns the policies that win by what they cost, from the fastest.
    [[nodiscard]] std::vector<measured_policy> winners(const gate_choice& choice, std::size_t samples) const {
        std::vector<measured_policy> found;
        for (const measured_policy& row : choice.tried) {
            if (wins(row, samples)) found.push_back(row);
        }
        std::ranges::stable_sort(found, std::greater{}, &measured_policy::speedup);
        return found;
    }
    [[nodiscard]] static const gate_entry& entry_of(const std::string& gate) {
        return gate_spec{.name = gate, .values = {}}.entry();
    }

    /// Returns the policies of one gate that differ in its threshold, from conservative to bold.
    /// @param like whatever else they have: layers, head, cache policy
    [[nodiscard]] std::vector<policy_spec> from_conservative(const std::string& gate, const policy_spec& like,
                                                             float margin) const {
        const gate_entry& entry = entry_of(gate);
        const gate_parameter& p = entry.info.parameters.front();
        std::vector<policy_spec> all;
        for (const float value : grid_of(p, like.layers.size())) {
            if (always_exits(p, value, margin)) continue;
            policy_spec policy = like;
            policy.gates = {checked_chain(with_parameter(entry, 0, value), margin)};
            all.push_back(std::move(policy));
        }
        return all;
    }
    [[nodiscard]] std::vector<std::vector<policy_spec>> sequences_of(const std::string& gate) const {
        std::vector<std::vector<policy_spec>> all;
        for (const std::string& cache : o_.caches) {
            policy_spec like = o_.base;
            like.cache = cache;
            for (const std::vector<std::size_t>& layers : layer_sets()) {
                like.layers = layers;
                for (const float margin : can_be_checked(entry_of(gate)) ? o_.check_margins : std::vector{0.0f}) {
                    all.push_back(from_conservative(gate, like, margin));
                }
            }
        }
        return all;
    }

    /// Returns sets of layers to try: a check that does not exit costs as much as several layers of a small model, so
    /// few exits may be faster.
    [[nodiscard]] std::vector<std::vector<std::size_t>> layer_sets() const {
        std::vector<std::vector<std::size_t>> sets{o_.layers};
        if (!o_.few_layers) return sets;
        const std::size_t depth = network_of(model_).shape().layers;
        const auto nearest = [&](std::size_t wanted) {
            return *std::ranges::min_element(
                o_.layers, {}, [&](std::size_t layer) { return layer > wanted ? layer - wanted : wanted - layer; });
        };
        const std::size_t early = nearest(std::max<std::size_t>(1, depth / 4));
        const std::size_t middle = nearest(std::max<std::size_t>(1, depth * 5 / 8));
        const auto add = [&](std::vector<std::size_t> layers) {
            if (std::ranges::find(sets, layers) == sets.end()) sets.push_back(std::move(layers));
        };
        if (middle != early) add({early, middle});
        std::vector<std::size_t> quarters;
        for (const std::size_t quarter : {1u, 2u, 3u}) {
            const std::size_t layer = nearest(std::max<std::size_t>(1, depth * quarter / 4));
            if (quarters.empty() || layer > quarters.back()) quarters.push_back(layer);
        }
        add(std::move(quarters));
        for (const std::size_t eighths : {2u, 3u, 4u}) add({nearest(std::max<std::size_t>(1, depth * eighths / 8))});
        return sets;
    }

    const Model& model_;
    const threshold_options& o_;
    const monitor& watch_;
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
