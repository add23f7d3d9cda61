// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_RESULTS_JSON_HPP
#define EARLYOUT_CALIBRATE_RESULTS_JSON_HPP

#include <earlyout/calibrate/costs_json.hpp>
#include <earlyout/calibrate/decisions.hpp>
#include <earlyout/calibrate/evaluate.hpp>
#include <earlyout/calibrate/exit_accuracy.hpp>
#include <earlyout/calibrate/fit_result.hpp>
#include <earlyout/calibrate/fitted_gate.hpp>
#include <earlyout/calibrate/observe.hpp>
#include <earlyout/calibrate/reliability.hpp>
#include <earlyout/calibrate/sweep.hpp>
#include <earlyout/calibrate/threshold_search.hpp>
#include <earlyout/generate/policy_spec.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Writes a policy as its text and, for readers that do not parse it, in parts: its main gate, that gate's parameters
/// by name, its check, layers, head and cache policy.
[[nodiscard]] inline json to_json(const policy_spec& policy, const std::vector<std::size_t>& layers,
                                  const std::string& head) {
    json object{{"policy", to_string(policy)}, {"gate", "none"}};
    if (const gate_spec* const gate = policy.main_gate()) {
        object["gate"] = gate->name;
        const auto parameters = gate->entry().info.parameters;
        for (std::size_t i = 0; i < gate->values.size(); ++i) {
            if (gate->values[i]) object[std::string(parameters[i].name)] = *gate->values[i];
        }
        for (const auto& chain : policy.gates) {
            if (&chain.front() == gate && chain.size() > 1) object["check"] = earlyout::detail::call_text(chain[1]);
        }
    }
    object["layers"] = layers;
    object["head"] = head;
    if (policy.shortlist.tokens != 0) {
        object["shortlist"] = policy.shortlist.tokens;
        object["reach"] = policy.shortlist.reach == shortlist_reach::exits ? "exits" : "full-depth";
    }
    object["cache"] = policy.cache;
    if (policy.cap != 0) object["cap"] = policy.cap;
    object["prefill"] = policy.prefill == prefill::lazy ? "lazy" : "eager";
    if (policy.active_experts != 0) object["experts"] = policy.active_experts;
    return object;
}

[[nodiscard]] inline json to_json(const reliability& r) {
    json bins = json::array();
    for (const auto& bin : r.bins()) bins.push_back({bin.count, bin.predicted, bin.observed});
    return {{"expected_calibration_error", r.expected_calibration_error()},
            {"brier_score", r.brier_score()},
            {"bins", bins}};
}

/// Writes the exits' accuracy, one object for each exit.
[[nodiscard]] inline json to_json(const exit_accuracy& a) {
    json exits = json::array();
    for (std::size_t e = 0; e < a.layers.size(); ++e) {
        exits.push_back(
            {{"layer", a.layers[e]},
             {"right", a.share(a.right[e])},
             {"agrees", a.share(a.agrees[e])},
             {"first_right", a.share(a.first_right[e])},
             {"first_agrees", a.share(a.first_agrees[e])},
             {"cross_entropy", a.cross_entropy[e] / static_cast<double>(std::max<std::size_t>(1, a.tokens))}});
    }
    return exits;
}

[[nodiscard]] inline json to_json(const decision_sweep& d) {
    json thresholds = json::array();
    for (std::size_t i = 0; i < d.thresholds.size(); ++i) {
        const confusion_counts& c = d.counts[i];
        thresholds.push_back({{"threshold", d.thresholds[i]},
                              {"precision", c.precision()},
                              {"recall", c.recall()},
                              {"f1", c.f1()},
                              {"predicted_positives", c.true_positives + c.false_positives},
                              {"actual_positives", c.true_positives + c.false_negatives}});
    }
    return {{"gate", d.gate}, {"decision", d.decision}, {"thresholds", thresholds}};
}

[[nodiscard]] inline json to_json(const evaluation& e) {
    return {{"rouge_l", e.mean(e.rouge_l)},
            {"bleu", e.mean(e.bleu)},
            {"exact_match", e.mean(static_cast<double>(e.exact))},
            {"edit_similarity", e.mean(e.edit_similarity)},
            {"mean_exit_layer", e.mean_exit_layer()},
            {"prefill_layer_tokens", e.prefill_layer_tokens},
            {"tokens_per_request", e.mean(static_cast<double>(e.new_tokens))},
            {"layer_tokens", e.layer_tokens},
            {"weight_bytes", e.weight_bytes},
            {"prefill_seconds", e.prefill_seconds},
            {"decode_seconds", e.decode_seconds},
            {"head_seconds", e.head_seconds},
            {"gate_seconds", e.gate_seconds},
            {"exit_histogram", e.exit_histogram}};
}

/// Returns the layers that these exits skip as a share of those that an oracle gate, which knows full depth's
/// prediction, would skip.
[[nodiscard]] inline double share_of_oracle(const exit_accuracy& a, double layers_skipped) {
    const double ceiling = a.skipped_by_oracle();
    return ceiling <= 0.0 ? 0.0 : layers_skipped / ceiling;
}

/// Writes an interval as [low, high]; null where nothing is known.
[[nodiscard]] inline json to_json(const interval& i) {
    if (!i.is_known()) return nullptr;
    return {i.low, i.high};
}
/// Writes the intervals at 95 % under the names of what they are of.
[[nodiscard]] inline json to_json(const policy_intervals& i) {
    return {{"layers_skipped", to_json(i.layers_skipped)},
            {"decode_speedup", to_json(i.decode_speedup)},
            {"request_speedup", to_json(i.request_speedup)},
            {"rouge_l_loss", to_json(i.rouge_l_loss)},
            {"agreement", to_json(i.agreement)},
            {"stop_precision", to_json(i.stop_precision)}};
}

[[nodiscard]] inline json to_json(const swept_policy& s, const std::vector<sample>& samples,
                                  const exit_accuracy& accuracy) {
    const paired_evaluation& p = s.measured;
    const confusion_counts stops = p.stops(samples);
    return {{"config", to_json(s.policy, s.layers, s.head)},
            {"layers_skipped", p.early.layers_skipped()},
            {"share_of_oracle", share_of_oracle(accuracy, p.early.layers_skipped())},
            {"work_saved", p.work_saved()},
            {"decode_speedup", p.decode_speedup()},
            {"request_speedup", p.request_speedup()},
            {"rouge_l_loss", p.rouge_l_loss()},
            {"agreement", p.agreement()},
            {"stops", p.early.stops},
            {"stop_precision", stops.precision()},
            {"stop_recall", stops.recall()},
            {"stop_f1", stops.f1()},
            {"intervals", to_json(s.intervals)},
            {"early_exit", to_json(p.early)},
            {"full_depth", to_json(p.full)}};
}

[[nodiscard]] inline json to_json(const measured_policy& row) {
    return {
        {"policy", to_string(row.policy)}, {"layers", row.policy.layers},        {"layers_skipped", row.layers_skipped},
        {"rouge_l_loss", row.loss},        {"agreement", row.agreement},         {"decode_speedup", row.speedup},
        {"is_timed", row.is_timed},        {"intervals", to_json(row.intervals)}};
}

[[nodiscard]] inline json to_json(const guarantee_result& g) {
    json tested = json::array();
    for (std::size_t c = 0; c < g.result.configurations.size(); ++c) {
        tested.push_back({{"policy", to_string(g.policies[c])},
                          {"risk", g.result.configurations[c].risk},
                          {"p_value", g.result.configurations[c].p_value}});
    }
    return {{"eps", g.eps},
            {"delta", g.delta},
            {"samples", g.samples},
            {"test", g.delta == 0.0   ? "conformal-risk-control"
                     : g.result.exact ? "binomial"
                                      : "hoeffding-bentkus"},
            {"tested", tested},
            {"holds", g.result.chosen.has_value()}};
}

[[nodiscard]] inline json to_json(const gate_choice& choice) {
    json tried = json::array();
    for (const measured_policy& row : choice.tried) tried.push_back(to_json(row));
    json formats = json::array();
    for (const checked_format& format : choice.formats) {
        formats.push_back({{"format", format.name}, {"holds", format.holds}, {"measured", to_json(format.found)}});
    }
    return {{"gate", choice.gate},
            {"found", choice.found},
            {"chosen", to_json(choice.chosen)},
            {"promising", choice.promising ? to_json(*choice.promising) : json()},
            {"samples_needed", choice.samples_needed},
            {"tried", tried},
            {"formats", formats},
            {"guarantee", choice.guarantee ? to_json(*choice.guarantee) : json()}};
}

[[nodiscard]] inline json to_json(const fitted_gate& gate) {
    json exits = json::array();
    for (const fitted_exit& exit : gate.exits) {
        json decisions = json::array();
        for (const gate_calibration& d : exit.decisions) {
            decisions.push_back({{"decision", d.decision},
                                 {"share", d.share},
                                 {"before", d.before.size() == 0 ? json() : to_json(d.before)},
                                 {"after", d.after.size() == 0 ? json() : to_json(d.after)}});
        }
        exits.push_back({{"layer", exit.layer}, {"loss", exit.loss}, {"steps", exit.steps}, {"decisions", decisions}});
    }
    return {{"gate", gate.gate}, {"temperatures", gate.temperatures}, {"exits", exits}};
}

[[nodiscard]] inline json to_json(const collected_part& part) {
    return {{"texts", part.texts},           {"tokens", part.tokens},        {"kept", part.kept},
            {"kept_bytes", part.kept_bytes}, {"exits", to_json(part.exits)}, {"seconds", part.seconds}};
}

[[nodiscard]] inline json to_json(const heads_result& h) {
    json fits = json::array();
    for (const fitted_head& head : h.fitted) {
        fits.push_back({{"layer", head.layer}, {"first_loss", head.first_loss}, {"last_loss", head.last_loss}});
    }
    return {{"kind", h.kind},
            {"seconds", h.seconds},
            {"fitted", fits},
            {"before", to_json(h.before)},
            {"after", to_json(h.after)}};
}

[[nodiscard]] inline json to_json(const fit_result& r) {
    json gates = json::array();
    for (const fitted_gate& gate : r.gates) gates.push_back(to_json(gate));
    json choices = json::array();
    for (const gate_choice& choice : r.choices) choices.push_back(to_json(choice));
    return {{"texts", r.texts},
            {"fit", to_json(r.fit)},
            {"validate", to_json(r.validation)},
            {"heads", r.heads ? to_json(*r.heads) : json()},
            {"gates", gates},
            {"samples", r.samples},
            {"loss_target", r.loss_target},
            {"costs", to_json(r.costs)},
            {"front", to_json(std::span<const front_policy>(r.front))},
            {"choices", choices},
            {"policy", r.best() != nullptr ? json(to_string(r.best()->chosen.policy)) : json("full-depth")},
            {"weight_formats", r.exits.model().weight_formats}};
}

/// Writes what a sidecar stores of a fit: the size of the corpus, the gates' calibration and the quality of the chosen
/// policies; no paths.
[[nodiscard]] inline json summary(const fit_result& r) {
    json errors = json::object();
    for (const fitted_gate& gate : r.gates) {
        for (const fitted_exit& exit : gate.exits) {
            for (const gate_calibration& d : exit.decisions) {
                if (d.after.size() == 0) continue;
                errors[gate.gate][std::to_string(exit.layer)][d.decision] = d.after.expected_calibration_error();
            }
        }
    }
    json choices = json::array();
    for (const gate_choice& choice : r.choices) {
        choices.push_back({{"gate", choice.gate},
                           {"chosen", to_json(choice.chosen)},
                           {"guarantee", choice.guarantee ? to_json(*choice.guarantee) : json()}});
    }
    return {
        {"texts", r.texts},
        {"fit_tokens", r.fit.tokens},
        {"validate_tokens", r.validation.tokens},
        {"samples", r.samples},
        {"loss_target", r.loss_target},
        {"calibration_error", errors},
        {"heads", r.heads ? json{{"before", to_json(r.heads->before)}, {"after", to_json(r.heads->after)}} : json()},
        {"choices", choices}};
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
