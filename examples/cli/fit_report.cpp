// SPDX-License-Identifier: MIT
#include "fit_report.hpp"

#include <iomanip>
#include <iostream>
#include <sstream>

namespace cli {

namespace {

/// "+1.2 %"
std::string change(double share) { return (share > 0.0 ? "+" : "") + percent(share); }

std::string list(const std::vector<std::size_t>& layers) {
    std::string text;
    for (const std::size_t layer : layers) text.append(text.empty() ? "" : ",").append(std::to_string(layer));
    return text;
}

void print_part(std::ostream& to, const char* name, const collected_part& part) {
    to << "  " << std::left << std::setw(9) << name << std::right << std::setw(6) << part.texts << " texts, "
       << std::setw(8) << part.tokens << " tokens in " << fixed(part.seconds, 1) << " s; kept " << part.kept
       << " of them in " << megabytes(static_cast<double>(part.kept_bytes)) << '\n';
}

void print_rows(std::ostream& to, const std::vector<measured_threshold>& rows) {
    for (const measured_threshold& row : rows) {
        std::ostringstream name;
        name << row.threshold;
        if (row.check_margin > 0.0f) name << ", margin >= " << row.check_margin;
        name << " after " << list(row.layers);
        to << "  " << std::left << std::setw(42) << name.str() << std::right << std::setw(8)
           << percent(row.layers_skipped) << std::setw(9) << change(-row.loss) << std::setw(9) << percent(row.agreement)
           << std::setw(8) << fixed(row.speedup, 2) << '\n';
    }
}

void print_heads(std::ostream& to, const heads_report& h) {
    to << "\nHeads (" << h.kind << ", fitted in " << fixed(h.seconds, 1)
       << " s) on the true text (validate), before and after\n"
       << "  layer     loss in the fit       nats of the next token     right            as full depth\n";
    for (std::size_t e = 0; e < h.fitted.size(); ++e) {
        const auto nats = [&](const eo::calibrate::exit_accuracy& a) {
            return fixed(a.cross_entropy[e] / static_cast<double>(a.tokens), 3);
        };
        to << std::setw(7) << h.fitted[e].layer << std::setw(12) << fixed(h.fitted[e].first_loss, 3) << std::setw(8)
           << fixed(h.fitted[e].last_loss, 3) << std::setw(16) << nats(h.before) << std::setw(8) << nats(h.after)
           << std::setw(14) << fixed(h.before.share(h.before.right[e]), 3) << std::setw(7)
           << fixed(h.after.share(h.after.right[e]), 3) << std::setw(13) << fixed(h.before.share(h.before.agrees[e]), 3)
           << std::setw(7) << fixed(h.after.share(h.after.agrees[e]), 3) << '\n';
    }
}

void print_sec(std::ostream& to, const sec_reliability& r) {
    to << "\nThe Stop&Exit gate against its labels (validate)";
    if (r.temperatures.size() == 1) to << ", before and after dividing by a temperature of " << r.temperatures.front();
    if (r.temperatures.size() > 1) to << ", before and after dividing by a temperature for each exit";
    to << "\n  layer   calibration error of exit       and of stop   Brier score of exit       and of stop\n";
    for (std::size_t e = 0; e < r.after.size(); ++e) {
        const sec_honesty& before = r.before[e];
        const sec_honesty& after = r.after[e];
        const auto both = [&](int width, double first, double then) {
            to << std::setw(width) << fixed(first, 3) << std::setw(7) << fixed(then, 3);
        };
        to << std::setw(7) << after.layer;
        both(20, before.exit.expected_calibration_error(), after.exit.expected_calibration_error());
        both(11, before.stop.expected_calibration_error(), after.stop.expected_calibration_error());
        both(15, before.exit.brier_score(), after.exit.brier_score());
        both(11, before.stop.brier_score(), after.stop.brier_score());
        to << '\n';
    }
}

/// "learn-to-exit <= 0.1 and margin >= 0.3 after layers 2"
std::string name_of(const gate_choice& choice) {
    const measured_threshold& row = choice.chosen;
    std::ostringstream name;
    name << choice.gate << (choice.gate == "sec" ? " > " : choice.gate == "jei-dnn" ? " >= " : " <= ") << row.threshold;
    if (row.check_margin > 0.0f) name << " and margin >= " << row.check_margin;
    name << " after layers " << list(row.layers);
    return name.str();
}

/// What the number before a row of that gate means.
const char* meaning_of_threshold(const std::string& gate) {
    if (gate == "sec") return "sec, probability of exit above";
    return gate == "jei-dnn" ? "jei-dnn, share that leaves at least" : "learn-to-exit, predicted error up to";
}

void print_guarantee(std::ostream& to, const gate_choice& choice) {
    const guarantee_report& g = *choice.guarantee;
    to << "\nGuarantee for " << choice.gate << ", on " << g.samples
       << " prompts of texts that nothing else saw: mean loss of ROUGE-L at most " << g.eps;
    if (g.delta > 0.0) {
        to << ", except with probability " << g.delta << "\n              threshold   mean loss   p-value ("
           << (g.result.exact ? "binomial" : "Hoeffding-Bentkus") << ")\n";
    } else {
        to << " in expectation\n              threshold   mean loss (each prompt's largest so far)\n";
    }
    for (std::size_t c = 0; c < g.result.configurations.size(); ++c) {
        to << std::setw(23) << g.thresholds[c] << std::setw(12) << fixed(g.result.configurations[c].risk, 4);
        if (g.delta > 0.0) to << std::setw(10) << fixed(g.result.configurations[c].p_value, 3);
        to << '\n';
    }
    if (g.result.chosen) {
        to << "  It holds for " << name_of(choice) << '\n';
    } else {
        to << "  None passes: full depth. Even without any loss the test needs " << g.needed << " prompts\n";
    }
}

void print_choice(std::ostream& to, const gate_choice& choice) {
    if (!choice.found) {
        to << "  " << choice.gate << ": none was faster; it stays at full depth\n";
    } else {
        to << "  " << name_of(choice) << ": " << percent(choice.chosen.layers_skipped) << " of the layers skipped, "
           << fixed(choice.chosen.speedup, 2) << " x the speed\n";
    }
    for (const checked_format& format : choice.formats) {
        to << "    in " << format.name << ": " << change(-format.found.loss) << " ROUGE-L, "
           << (format.holds ? "holds" : "does not hold, and these exits are refused there") << '\n';
    }
}

json to_json(const guarantee_report& g) {
    json tested = json::array();
    for (std::size_t c = 0; c < g.result.configurations.size(); ++c) {
        tested.push_back({{"threshold", g.thresholds[c]},
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

/// What the exits of one part answered.
json exits_to_json(const eo::calibrate::exit_accuracy& a) {
    json exits = json::array();
    for (std::size_t e = 0; e < a.layers.size(); ++e) {
        exits.push_back({{"layer", a.layers[e]},
                         {"right", a.share(a.right[e])},
                         {"agrees", a.share(a.agrees[e])},
                         {"cross_entropy", a.cross_entropy[e] / static_cast<double>(a.tokens)}});
    }
    return exits;
}

json to_json(const collected_part& part) {
    return {{"texts", part.texts},
            {"tokens", part.tokens},
            {"kept", part.kept},
            {"kept_bytes", part.kept_bytes},
            {"exits", exits_to_json(part.exits)},
            {"seconds", part.seconds}};
}

json to_json(const measured_threshold& row) {
    return {{"layers", row.layers},
            {"threshold", row.threshold},
            {"check_margin", row.check_margin},
            {"layers_skipped", row.layers_skipped},
            {"rouge_l_loss", row.loss},
            {"agreement", row.agreement},
            {"decode_speedup", row.speedup}};
}

json to_json(const std::vector<measured_threshold>& rows) {
    json all = json::array();
    for (const measured_threshold& row : rows) all.push_back(to_json(row));
    return all;
}

json to_json(const heads_report& h) {
    json fits = json::array();
    for (const auto& head : h.fitted) {
        fits.push_back({{"layer", head.layer}, {"first_loss", head.first_loss}, {"last_loss", head.last_loss}});
    }
    return {{"kind", h.kind},
            {"seconds", h.seconds},
            {"fitted", fits},
            {"before", exits_to_json(h.before)},
            {"after", exits_to_json(h.after)}};
}

json to_json(const eo::calibrate::reliability& r) {
    json bins = json::array();
    for (const auto& bin : r.bins()) bins.push_back({bin.count, bin.predicted, bin.observed});
    return {{"expected_calibration_error", r.expected_calibration_error()},
            {"brier_score", r.brier_score()},
            {"bins", bins}};
}

}  // namespace

void print(std::ostream& to, const fit_report& r) {
    to << "Fitted to " << r.model << " with weights in " << r.weight_format << ", on " << r.texts << " texts\n";
    print_part(to, "fit", r.fit);
    print_part(to, "validate", r.validate);

    to << "\nEvery exit on the true text (validate), and how honest its predicted error is\n"
       << "  layer   right   as full depth   nats     wrong   calibration error before and after   Brier score\n";
    const auto& exits = r.validate.exits;
    for (std::size_t e = 0; e < exits.layers.size(); ++e) {
        to << std::setw(7) << exits.layers[e] << std::setw(8) << fixed(exits.share(exits.right[e]), 3) << std::setw(16)
           << fixed(exits.share(exits.agrees[e]), 3) << std::setw(7)
           << fixed(exits.cross_entropy[e] / static_cast<double>(exits.tokens), 3);
        if (e < r.gates.size()) {
            const auto& gate = r.gates[e];
            to << std::setw(10) << fixed(gate.share_wrong, 3) << std::setw(22)
               << fixed(gate.before.expected_calibration_error(), 3) << std::setw(12)
               << fixed(gate.after.expected_calibration_error(), 3) << std::setw(17)
               << fixed(gate.after.brier_score(), 3);
        }
        to << '\n';
    }

    if (r.heads) print_heads(to, *r.heads);
    if (!r.sec_honest.after.empty()) print_sec(to, r.sec_honest);
    if (!r.forced.empty()) {
        to << "\nOn the true text: predicted error up to   layers skipped    right   as full depth\n";
    }
    for (const auto& row : r.forced) {
        to << std::setw(41) << fixed(static_cast<double>(row.threshold), 2) << std::setw(17)
           << percent(row.layers_skipped) << std::setw(9) << fixed(row.accuracy, 3) << std::setw(16)
           << fixed(row.agrees, 3) << '\n';
    }

    to << '\n'
       << r.samples << " prompts completed beside full depth (validate)\n"
       << std::setw(66) << "skipped  ROUGE-L    agree   speed"
       << "\n";
    for (const gate_choice& choice : r.choices) {
        to << "  " << meaning_of_threshold(choice.gate) << '\n';
        print_rows(to, choice.tried);
    }
    to << "\nChosen for a loss of at most " << percent(r.loss_target) << " of ROUGE-L\n";
    for (const gate_choice& choice : r.choices) print_choice(to, choice);
    for (const gate_choice& choice : r.choices) {
        if (choice.guarantee) print_guarantee(to, choice);
    }
    to << "Wrote " << r.out << " for weights in " << r.formats_fitted << '\n';
}

json to_json(const std::vector<sec_honesty>& exits) {
    json all = json::array();
    for (const sec_honesty& at : exits) {
        all.push_back({{"layer", at.layer}, {"exit", to_json(at.exit)}, {"stop", to_json(at.stop)}});
    }
    return all;
}

json to_json(const gate_choice& choice) {
    json formats = json::array();
    for (const checked_format& format : choice.formats) {
        formats.push_back({{"format", format.name}, {"holds", format.holds}, {"measured", to_json(format.found)}});
    }
    return {{"gate", choice.gate},
            {"found", choice.found},
            {"chosen", to_json(choice.chosen)},
            {"tried", to_json(choice.tried)},
            {"formats", formats},
            {"guarantee", choice.guarantee ? to_json(*choice.guarantee) : json()}};
}

json to_json(const fit_report& r) {
    json gates = json::array();
    for (const auto& gate : r.gates) {
        gates.push_back({{"layer", gate.layer},
                         {"log_loss", gate.map.loss},
                         {"steps", gate.map.steps},
                         {"share_wrong", gate.share_wrong},
                         {"before", to_json(gate.before)},
                         {"after", to_json(gate.after)}});
    }
    json jei = json::array();
    for (const auto& gate : r.jei_gates) {
        jei.push_back({{"layer", gate.layer}, {"log_loss", gate.map.loss}, {"share_leaving", 1.0 - gate.share_wrong}});
    }
    json sec = json::array();
    for (const auto& gate : r.sec) sec.push_back({{"loss", gate.loss}, {"steps", gate.steps}});
    json forced = json::array();
    for (const auto& row : r.forced) {
        forced.push_back({{"threshold", row.threshold},
                          {"layers_skipped", row.layers_skipped},
                          {"right", row.accuracy},
                          {"agrees", row.agrees}});
    }
    json choices = json::array();
    for (const gate_choice& choice : r.choices) choices.push_back(to_json(choice));
    return {{"model", r.model},
            {"weight_format", r.weight_format},
            {"out", r.out},
            {"texts", r.texts},
            {"fit", to_json(r.fit)},
            {"validate", to_json(r.validate)},
            {"heads", r.heads ? to_json(*r.heads) : json()},
            {"sec", sec},
            {"sec_temperatures", r.sec_honest.temperatures},
            {"sec_exits_as_fitted", to_json(r.sec_honest.before)},
            {"sec_exits", to_json(r.sec_honest.after)},
            {"learn_to_exit", gates},
            {"jei_dnn", jei},
            {"forced", forced},
            {"samples", r.samples},
            {"loss_target", r.loss_target},
            {"choices", choices},
            {"weight_formats", r.formats_fitted}};
}

json summary(const fit_report& r) {
    json errors = json::object();
    for (const auto& gate : r.gates) {
        errors[std::to_string(gate.layer)] = gate.after.expected_calibration_error();
    }
    json heads;
    if (r.heads) heads = {{"before", exits_to_json(r.heads->before)}, {"after", exits_to_json(r.heads->after)}};
    json choices = json::array();
    for (const gate_choice& choice : r.choices) {
        choices.push_back({{"gate", choice.gate},
                           {"chosen", to_json(choice.chosen)},
                           {"guarantee", choice.guarantee ? to_json(*choice.guarantee) : json()}});
    }
    return {{"texts", r.texts},
            {"fit_tokens", r.fit.tokens},
            {"validate_tokens", r.validate.tokens},
            {"samples", r.samples},
            {"loss_target", r.loss_target},
            {"calibration_error", errors},
            {"sec_temperatures", r.sec_honest.temperatures},
            {"heads", heads},
            {"choices", choices}};
}

}  // namespace cli
