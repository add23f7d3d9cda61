// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_DETAIL_POLICY_CHOOSER_HPP
#define EARLYOUT_CALIBRATE_DETAIL_POLICY_CHOOSER_HPP

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/measured_policy.hpp>
#include <earlyout/calibrate/monitor.hpp>
#include <earlyout/calibrate/policy_front.hpp>
#include <earlyout/calibrate/policy_trials.hpp>
#include <earlyout/calibrate/threshold_search.hpp>
#include <earlyout/calibrate/workers.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/exit/any_head.hpp>
#include <earlyout/generate/measure_costs.hpp>
#include <earlyout/generate/step_costs.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate { namespace detail {

/// Returns the costs of a model's steps as the first process measures them, while no other does.
template <class Model>
[[nodiscard]] step_costs shared_costs(const Model& model, const cost_options& options, workers* among) {
    const bool is_first = among == nullptr || among->rank() == 0;
    return shared_result(among, 0, is_first ? measure_step_costs(model, options) : step_costs{});
}

/// Chooses a policy for every gate, and the front of all that was tried. Functions return false once cancelled.
template <class Model>
class policy_chooser {
public:
    std::vector<gate_choice> choices;
    std::vector<front_policy> front;

    /// @param others the model in further weight formats, by name; everything must outlive the chooser
    policy_chooser(const Model& model, std::span<const std::pair<std::string, Model*>> others, const any_head& head,
                   const threshold_options& options, const step_costs& costs, executor& on, const monitor& watch)
        : model_(model),
          others_(others),
          head_(head),
          o_(options),
          costs_(costs),
          on_(on),
          watch_(watch),
          search_(model, options, watch) {}

    [[nodiscard]] bool choose(const std::vector<std::string>& gates, const std::vector<sample>& samples) {
        policy_trials<Model> trials = trials_of(model_, &head_, samples, "choosing");
        std::vector<std::pair<std::string, policy_trials<Model>>> in_formats;
        for (const auto& [name, other] : others_)
            in_formats.emplace_back(name, trials_of(*other, nullptr, samples, name));
        for (const std::string& gate : gates) {
            choices.push_back(search_.choose(gate, trials));
            if (watch_.is_cancelled()) return false;
        }
        for (gate_choice& choice : choices) {
            search_.confirm(choice, trials);
            search_.check_formats(choice, in_formats, samples.size());
        }
        front = front_of(choices, std::max(o_.loss, o_.front_loss), o_.confidence, costs_,
                         network_of(model_).shape().layers);
        return !watch_.is_cancelled();
    }

    /// Tests the chosen policies on texts that nothing else saw, one prompt of each. What passes is all that remains.
    [[nodiscard]] bool guarantee(std::vector<corpus_text> texts, sample_options cut, const guarantee_options& options) {
        cut.count = texts.size();
        for (corpus_text& text : texts) text.ids.resize(std::min(text.ids.size(), cut.length));
        const std::vector<sample> unseen = cut_samples(texts, cut);
        policy_trials<Model> trials = trials_of(model_, &head_, unseen, "guarantee");
        std::vector<front_policy> passed;
        for (gate_choice& choice : choices) {
            search_.guarantee(choice, trials, options);
            if (watch_.is_cancelled()) return false;
            if (!choice.found) continue;
            gate_choice kept = choice;
            std::erase_if(kept.tried,
                          [&](const measured_policy& row) { return !(row.policy == choice.chosen.policy); });
            // The test stands in place of an interval.
            for (measured_policy& row : kept.tried) row.loss = std::min(row.loss, o_.loss);
            for (front_policy& p :
                 front_of(std::span(&kept, 1), o_.loss, 0.0, costs_, network_of(model_).shape().layers)) {
                passed.push_back(std::move(p));
            }
        }
        front = std::move(passed);
        return true;
    }

    /// Returns the further formats in which every chosen policy holds.
    [[nodiscard]] std::vector<std::string> formats_that_hold() const {
        std::vector<std::string> names;
        for (const auto& [name, other] : others_) {
            const bool holds = std::ranges::all_of(choices, [&name = name](const gate_choice& choice) {
                return std::ranges::all_of(
                    choice.formats, [&](const checked_format& format) { return format.name != name || format.holds; });
            });
            if (holds) names.push_back(name);
        }
        return names;
    }

private:
    [[nodiscard]] policy_trials<Model> trials_of(const Model& model, const any_head* head,
                                                 const std::vector<sample>& samples, std::string name) const {
        return policy_trials<Model>(model, head, costs_, samples, o_.confidence > 0.0 ? o_.confidence : 0.95, on_,
                                    watch_, o_.prompt_memory / (1 + others_.size()), std::move(name));
    }

    const Model& model_;
    std::span<const std::pair<std::string, Model*>> others_;
    const any_head& head_;
    const threshold_options& o_;
    const step_costs& costs_;
    executor& on_;
    const monitor& watch_;
    threshold_search<Model> search_;
};

}  // namespace detail
}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
