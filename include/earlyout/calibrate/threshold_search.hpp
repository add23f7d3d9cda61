// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_THRESHOLD_SEARCH_HPP
#define EARLYOUT_CALIBRATE_THRESHOLD_SEARCH_HPP

#include <earlyout/calibrate/candidates.hpp>
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/evaluate.hpp>
#include <earlyout/calibrate/metrics.hpp>
#include <earlyout/calibrate/monitor.hpp>
#include <earlyout/calibrate/policy_intervals.hpp>
#include <earlyout/calibrate/risk.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/exit/any_head.hpp>
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
    double loss = 0.011;                                       ///< share of ROUGE-L that may be lost
    std::vector<std::size_t> layers;                           ///< layers that exits were fitted after
    double confidence = 0.95;                                  ///< of intervals that must support it; 0: means decide
    bool few_layers = true;                                    ///< also try one or two of them alone
    std::vector<float> check_margins{0.0f, 0.2f, 0.3f, 0.5f};  ///< of gates that can be checked; 0: no check
    policy_spec base;                                          ///< cache policy and head to complete with
};

/// A policy and its completions compared with full depth's.
struct measured_policy {
    policy_spec policy;
    double layers_skipped = 0.0;
    double loss = 0.0;  ///< of ROUGE-L, relative
    double agreement = 1.0;
    double speedup = 1.0;
    policy_intervals intervals;
};

/// The same policy with weights in another format.
struct checked_format {
    std::string name;
    measured_policy found;
    bool holds = false;
};

struct guarantee_options {
    double eps = 0.0;             ///< mean share of ROUGE-L that a completion may lose; 0: no test
    double delta = 0.1;           ///< probability with which the guarantee may fail
    bool in_expectation = false;  ///< conformal risk control in place of Learn-then-Test
};

/// A test on held-out texts.
struct guarantee_result {
    double eps = 0.0;
    double delta = 0.0;  ///< 0: in expectation, by conformal risk control; else by Learn-then-Test
    std::size_t samples = 0;
    std::size_t needed = 0;  ///< samples, if all losses were 0
    std::vector<policy_spec> policies;
    risk_result result;
};

/// The policy chosen for one fitted gate, and the measurements behind it.
struct gate_choice {
    std::string gate;
    bool found = false;      ///< some policy is faster than full depth and within the target
    measured_policy chosen;  ///< full depth where none was found
    /// Where none was found: the fastest within the target whose intervals do not support it, and how many samples may.
    std::optional<measured_policy> promising;
    std::size_t samples_needed = 0;
    std::vector<measured_policy> tried;
    std::vector<checked_format> formats;
    std::optional<guarantee_result> guarantee;
};

/// Chooses the thresholds of fitted gates by completing prompts alongside full depth. Once cancelled, every call
/// returns immediately with what it has.
template <model Model>
class threshold_search {
public:
    /// @param model with the exits to be tried; all must outlive the search
    /// @param head  computes the exits' logits
    threshold_search(const Model& model, const any_head& head, const threshold_options& options, const monitor& watch)
        : model_(model), head_(head), o_(options), watch_(watch) {}

    /// Tries, for every set of layers and every check, thresholds up to where the loss first exceeds its target;
    /// returns the fastest of them all.
    [[nodiscard]] gate_choice choose(const std::string& gate, const std::vector<sample>& samples) const {
        gate_choice choice;
        choice.gate = gate;
        choice.chosen.policy = o_.base;
        std::vector<std::vector<policy_spec>> sequences;
        std::size_t all = 0;
        for (const std::vector<std::size_t>& layers : layer_sets()) {
            for (const float margin : can_be_checked(entry_of(gate)) ? o_.check_margins : std::vector{0.0f}) {
                sequences.push_back(from_conservative(gate, layers, margin));
                all += sequences.back().size();
            }
        }
        const std::string stage = "completing " + std::to_string(samples.size()) + " prompts with " + gate;
        std::size_t done = 0;  // or left away
        for (const std::vector<policy_spec>& policies : sequences) {
            for (std::size_t i = 0; i < policies.size(); ++i) {
                if (watch_.is_cancelled()) return choice;
                watch_.report(stage, done + i, all);
                choice.tried.push_back(measure(model_, samples, policies[i]));
                const measured_policy& found = choice.tried.back();
                if (found.loss > o_.loss) break;
                take(choice, found, samples.size());
            }
            done += policies.size();
        }
        if (choice.found) choice.promising.reset();
        if (choice.promising) {
            const measured_policy& p = *choice.promising;
            choice.samples_needed = samples_to_support(p.loss, p.intervals.rouge_l_loss, o_.loss, samples.size());
        }
        return choice;
    }

    /// Replaces the chosen policy by the fastest of those within the target that also stays within it in the other
    /// weight formats; if none of the first few does, by the one that does in the most formats.
    void check_formats(gate_choice& choice, std::span<const std::pair<std::string, const Model*>> others,
                       const std::vector<sample>& samples) const {
        if (others.empty() || !choice.found) return;
        constexpr std::size_t max_tries = 12;
        std::vector<measured_policy> candidates{choice.chosen};
        for (const measured_policy& row : choice.tried) {
            if (row.loss <= o_.loss && wins(row, samples.size())) candidates.push_back(row);
        }
        std::ranges::stable_sort(candidates, std::greater{}, &measured_policy::speedup);
        candidates.resize(std::min(candidates.size(), max_tries));
        std::size_t max_held = 0;
        for (std::size_t c = 0; c < candidates.size(); ++c) {
            std::vector<checked_format> checked;
            for (const auto& [name, other] : others) {
                if (watch_.is_cancelled()) return;
                watch_.report("checking thresholds with weights in " + name);
                const measured_policy found = measure(*other, samples, candidates[c].policy);
                checked.push_back({name, found, found.loss <= o_.loss});
            }
            const auto held = static_cast<std::size_t>(std::ranges::count(checked, true, &checked_format::holds));
            if (c != 0 && held <= max_held) continue;
            max_held = held;
            choice.formats = checked;
            choice.chosen = candidates[c];
            if (held == others.size()) break;
        }
    }

    /// Replaces the chosen threshold by the boldest that a test on held-out texts allows. Uses one prompt of each text;
    /// layers, check and the order of thresholds are fixed beforehand.
    void guarantee(gate_choice& choice, const std::vector<corpus_text>& texts, sample_options cut,
                   const guarantee_options& options) const {
        if (!choice.found) return;
        cut.count = texts.size();
        std::vector<corpus_text> starts = texts;
        for (corpus_text& text : starts) text.ids.resize(std::min(text.ids.size(), cut.length));
        const auto samples = cut_samples(starts, cut);
        guarantee_result& g = choice.guarantee.emplace();
        g.eps = options.eps;
        g.delta = options.in_expectation ? 0.0 : options.delta;
        g.samples = samples.size();
        g.needed = options.in_expectation ? samples_for_expectation(g.eps) : samples_needed(g.eps, g.delta);
        const std::vector<gate_spec>& chain = choice.chosen.policy.gates.front();
        const float margin = chain.size() > 1 ? *chain[1].values[0] : 0.0f;
        for (const policy_spec& policy : from_conservative(choice.gate, choice.chosen.policy.layers, margin)) {
            g.policies.push_back(policy);
            if (policy == choice.chosen.policy) break;  // bolder thresholds already lost too much
        }
        std::vector<sample_losses> losses;
        for (const policy_spec& policy : g.policies) {
            watch_.report("guarantee: " + to_string(policy));
            losses.push_back(losses_of(samples, policy));
            if (watch_.is_cancelled()) return;
        }
        g.result =
            options.in_expectation ? control_expected_risk(losses, g.eps) : learn_then_test(losses, g.eps, g.delta);
        choice.found = g.result.chosen.has_value();
        choice.chosen.policy = choice.found ? g.policies[*g.result.chosen] : o_.base;
    }

private:
    /// Returns true if a policy is faster than full depth and loses no more than the target, for all that is known.
    [[nodiscard]] bool wins(const measured_policy& of, std::size_t samples) const {
        if (o_.confidence <= 0.0) return of.speedup > 1.0 && of.loss <= o_.loss;
        return of.speedup > 1.0 && shows_win(of.intervals, samples, o_.loss);
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
    [[nodiscard]] static const gate_entry& entry_of(const std::string& gate) {
        return gate_spec{.name = gate, .values = {}}.entry();
    }

    /// Returns the policies of one gate, from conservative to bold.
    [[nodiscard]] std::vector<policy_spec> from_conservative(const std::string& gate,
                                                             const std::vector<std::size_t>& layers,
                                                             float margin) const {
        const gate_entry& entry = entry_of(gate);
        const gate_parameter& p = entry.info.parameters.front();
        std::vector<policy_spec> all;
        for (const float value : grid_of(p, layers.size())) {
            if (always_exits(p, value, margin)) continue;
            policy_spec policy = o_.base;
            policy.gates = {checked_chain(with_parameter(entry, 0, value), margin)};
            policy.layers = layers;
            all.push_back(std::move(policy));
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
        if (middle != early && o_.layers.size() > 2) sets.push_back({early, middle});
        if (o_.layers.size() > 1) sets.push_back({early});
        return sets;
    }

    [[nodiscard]] measured_policy measure(const Model& m, const std::vector<sample>& samples,
                                          const policy_spec& policy) const {
        auto full = make_session(m, policy_spec{});
        auto early = &m == &model_ ? make_session(m, policy, {}, head_) : make_session(m, policy);
        generate_options options;
        options.cancel = watch_.cancel;
        const auto done = evaluate_pair(
            samples, [&](std::span<const token_id> p, const generate_options& g) { return early.complete(p, g); },
            [&](std::span<const token_id> p, const generate_options& g) { return full.complete(p, g); },
            [&](std::span<const token_id> ids) { return m.tokenizer().decode(ids); }, options);
        return {.policy = policy,
                .layers_skipped = done.early.layers_skipped(),
                .loss = done.rouge_l_loss(),
                .agreement = done.agreement(),
                .speedup = done.decode_speedup(),
                .intervals = intervals_of(done, samples, {.level = o_.confidence > 0.0 ? o_.confidence : 0.95})};
    }

    /// Returns each completion's loss of ROUGE-L against full depth's; a gain counts as 0.
    [[nodiscard]] sample_losses losses_of(const std::vector<sample>& samples, const policy_spec& policy) const {
        auto full = make_session(model_, policy_spec{});
        auto early = make_session(model_, policy, {}, head_);
        sample_losses losses;
        for (const sample& s : samples) {
            if (watch_.is_cancelled()) break;
            const generate_options options{.max_new_tokens = s.reference.size()};
            const auto score = [&](any_session& session) {
                return rouge_l(session.complete(s.prompt, options).ids, s.reference);
            };
            losses.push_back(std::max(0.0, score(full) - score(early)));
        }
        return losses;
    }

    const Model& model_;
    const any_head& head_;
    const threshold_options& o_;
    const monitor& watch_;
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
