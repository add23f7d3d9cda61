// SPDX-License-Identifier: MIT
#include "thresholds.hpp"
#include "sweep.hpp"

#include <earlyout/calibrate/evaluate.hpp>
#include <earlyout/calibrate/metrics.hpp>
#include <earlyout/calibrate/risk.hpp>

#include <algorithm>
#include <functional>
#include <span>

namespace cli {

namespace {

namespace calibrate = eo::calibrate;

/// From safe to bold.
const std::vector<float>& grid_of(const std::string& gate) {
    static const std::vector<float> sec{0.99f, 0.95f, 0.9f, 0.8f, 0.7f, 0.6f, 0.5f};  // the paper's; below .5 is 0
    static const std::vector<float> jei_dnn{0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.4f, 0.3f};
    if (gate == "sec") return sec;
    return gate == "jei-dnn" ? jei_dnn : error_grid();
}

/// One that never leaves.
float full_depth_threshold(const std::string& gate) {
    if (gate == "sec") return 1.0f;
    return gate == "jei-dnn" ? 1.01f : -1.0f;
}

}  // namespace

const std::vector<float>& error_grid() {
    static const std::vector<float> grid{0.02f, 0.05f, 0.1f, 0.2f, 0.3f, 0.4f, 0.6f, 1.0f};
    return grid;
}

gate_choice threshold_search::choose(const std::string& gate, const std::vector<calibrate::sample>& samples) {
    gate_choice choice;
    choice.gate = gate;
    choice.chosen.threshold = full_depth_threshold(gate);
    choice.chosen.layers = o_.layers;
    const std::vector<float> no_check{0.0f};
    for (const std::vector<std::size_t>& layers : layer_sets()) {
        for (const float margin : gate == "learn-to-exit" ? o_.check_margins : no_check) {
            for (const float threshold : grid_of(gate)) {
                if (gate == "learn-to-exit" && margin <= 0.0f && threshold >= 1.0f) continue;
                const exit_options config =
                    config_of(gate, {.layers = layers, .threshold = threshold, .check_margin = margin});
                progress_("completing " + std::to_string(samples.size()) + " prompts: " + name_of(config));
                choice.tried.push_back(measure(model_, samples, config));
                const measured_threshold& found = choice.tried.back();
                if (found.loss > o_.loss) break;
                if (found.speedup > choice.chosen.speedup) {
                    choice.chosen = found;
                    choice.found = true;
                }
            }
        }
    }
    return choice;
}

void threshold_search::check_formats(gate_choice& choice, const std::vector<std::pair<std::string, model>>& others,
                                     const std::vector<calibrate::sample>& samples) {
    if (others.empty() || !choice.found) return;
    constexpr std::size_t most_tries = 12;
    std::vector<measured_threshold> candidates{choice.chosen};
    for (const measured_threshold& row : choice.tried) {
        if (row.loss <= o_.loss && row.speedup > 1.0) candidates.push_back(row);
    }
    std::ranges::stable_sort(candidates, std::greater{}, &measured_threshold::speedup);
    candidates.resize(std::min(candidates.size(), most_tries));
    std::size_t most_held = 0;
    for (std::size_t c = 0; c < candidates.size(); ++c) {
        std::vector<checked_format> checked;
        for (const auto& [name, other] : others) {
            progress_("checking thresholds with weights in " + name);
            const measured_threshold found = measure(other, samples, config_of(choice.gate, candidates[c]));
            checked.push_back({name, found, found.loss <= o_.loss});
        }
        const auto held = static_cast<std::size_t>(std::ranges::count(checked, true, &checked_format::holds));
        if (c != 0 && held <= most_held) continue;
        most_held = held;
        choice.formats = checked;
        choice.chosen = candidates[c];
        if (held == others.size()) break;
    }
}

void threshold_search::guarantee(gate_choice& choice, const std::vector<calibrate::corpus_text>& texts) {
    if (!choice.found) return;
    calibrate::sample_options one_each = o_.samples;
    one_each.count = texts.size();
    std::vector<calibrate::corpus_text> starts = texts;
    for (calibrate::corpus_text& text : starts) text.ids.resize(std::min(text.ids.size(), one_each.length));
    const auto samples = calibrate::cut_samples(starts, one_each);
    guarantee_report& g = choice.guarantee.emplace();
    const bool in_expectation = o_.guarantee_in == "expectation";
    g.eps = o_.guarantee;
    g.delta = in_expectation ? 0.0 : o_.delta;
    g.samples = samples.size();
    g.needed = in_expectation ? calibrate::samples_for_expectation(g.eps) : calibrate::samples_needed(g.eps, g.delta);
    std::vector<float> thresholds;
    for (const float threshold : grid_of(choice.gate)) {
        thresholds.push_back(threshold);
        if (threshold == choice.chosen.threshold) break;  // bolder ones lost too much already
    }
    std::vector<calibrate::sample_losses> losses;
    for (const float threshold : thresholds) {
        measured_threshold row = choice.chosen;
        row.threshold = threshold;
        const exit_options config = config_of(choice.gate, row);
        progress_("guarantee: " + name_of(config));
        losses.push_back(losses_of(samples, config));
    }
    g.thresholds = thresholds;
    g.result = in_expectation ? calibrate::control_expected_risk(losses, g.eps)
                              : calibrate::learn_then_test(losses, g.eps, g.delta);
    choice.found = g.result.chosen.has_value();
    choice.chosen.threshold = choice.found ? thresholds[*g.result.chosen] : full_depth_threshold(choice.gate);
}

void threshold_search::check_cancel() const {
    if (stop_.token().stop_requested()) throw interrupted_error{stop_.status()};
}

exit_options threshold_search::config_of(const std::string& gate, const measured_threshold& row) const {
    exit_options config;
    config.gate = gate;
    config.layers = row.layers;
    config.threshold = row.threshold;
    if (gate == "learn-to-exit") config.check_margin = row.check_margin;
    if (gate == "sec") config.stop_threshold = 1.0f;
    config.kv = o_.kv;
    return config;
}

/// A check that fails costs as much as several layers of a small model, so few may do better.
std::vector<std::vector<std::size_t>> threshold_search::layer_sets() const {
    std::vector<std::vector<std::size_t>> sets{o_.layers};
    if (o_.paper) return sets;
    const std::size_t depth = model_.network().shape().layers;
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

measured_threshold threshold_search::measure(const model& m, const std::vector<calibrate::sample>& samples,
                                             const exit_options& config) {
    const run_options run;
    auto full = make_session(m, exit_options{}, run);
    auto early = &m == &model_ ? make_session(m, config, run, heads_) : make_session(m, config, run);
    const auto text_of = [&](std::span<const eo::token_id> ids) { return m.tokenizer().decode(ids); };
    eo::generate_options generate;
    generate.cancel = stop_.token();
    const auto done = calibrate::evaluate_pair(
        samples, [&](std::span<const eo::token_id> p, const eo::generate_options& g) { return early.complete(p, g); },
        [&](std::span<const eo::token_id> p, const eo::generate_options& g) { return full.complete(p, g); }, text_of,
        generate);
    check_cancel();
    return {.layers = exit_layers(m, config),
            .threshold = config.threshold.value_or(0.0f),
            .check_margin = config.check_margin.value_or(0.0f),
            .layers_skipped = done.early.layers_skipped(),
            .loss = done.rouge_l_loss(),
            .agreement = done.agreement(),
            .speedup = done.decode_speedup()};
}

/// What each completion loses of its ROUGE-L against full depth's; a gain is no loss.
calibrate::sample_losses threshold_search::losses_of(const std::vector<calibrate::sample>& samples,
                                                     const exit_options& config) {
    const run_options run;
    auto full = make_session(model_, exit_options{}, run);
    auto early = make_session(model_, config, run, heads_);
    calibrate::sample_losses losses;
    for (const calibrate::sample& s : samples) {
        check_cancel();
        const eo::generate_options options{.max_new_tokens = s.reference.size()};
        const auto score = [&](eo::any_session& session) {
            return calibrate::rouge_l(session.complete(s.prompt, options).ids, s.reference);
        };
        losses.push_back(std::max(0.0, score(full) - score(early)));
    }
    return losses;
}

}  // namespace cli
