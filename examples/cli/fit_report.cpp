// SPDX-License-Identifier: MIT
#include "fit_report.hpp"

#include "bytes.hpp"
#include "intervals.hpp"

#include <earlyout/calibrate/exit_accuracy.hpp>
#include <earlyout/generate/policy_spec.hpp>

#include <algorithm>
#include <iomanip>
#include <ostream>
#include <string>
#include <utility>

namespace cli {

namespace {

namespace calibrate = eo::calibrate;

/// "12.3 s", "4.5 min", "6.7 h"
std::string duration(double seconds) {
    if (seconds < 100.0) return fixed(seconds, 1) + " s";
    return seconds < 6000.0 ? fixed(seconds / 60.0, 1) + " min" : fixed(seconds / 3600.0, 1) + " h";
}

/// "+1.2 %"
std::string change(double share) { return (share > 0.0 ? "+" : "") + percent(share); }

double nats(const calibrate::exit_accuracy& a, std::size_t exit) {
    return a.cross_entropy[exit] / static_cast<double>(std::max<std::size_t>(1, a.tokens));
}

void print_part(std::ostream& to, const char* name, const calibrate::collected_part& part) {
    to << "  " << std::left << std::setw(9) << name << std::right << std::setw(6) << part.texts << " texts, "
       << std::setw(8) << part.tokens << " tokens in " << fixed(part.seconds, 1) << " s; kept " << part.kept
       << " of them in " << megabytes(static_cast<double>(part.kept_bytes)) << '\n';
}

void print_exits(std::ostream& to, const calibrate::exit_accuracy& exits) {
    to << "\nEvery exit on the true text (validate)\n"
       << "  layer   right   as full depth   nats\n";
    for (std::size_t e = 0; e < exits.layers.size(); ++e) {
        to << std::setw(7) << exits.layers[e] << std::setw(8) << fixed(exits.share(exits.right[e]), 3) << std::setw(16)
           << fixed(exits.share(exits.agrees[e]), 3) << std::setw(7) << fixed(nats(exits, e), 3) << '\n';
    }
}

void print_heads(std::ostream& to, const calibrate::heads_result& h) {
    to << "\nHeads (" << h.kind << ", fitted in " << fixed(h.seconds, 1)
       << " s) on the true text (validate), before and after\n"
       << "  layer     loss in the fit       nats of the next token     right            as full depth\n";
    for (std::size_t e = 0; e < h.fitted.size(); ++e) {
        to << std::setw(7) << h.fitted[e].layer << std::setw(12) << fixed(h.fitted[e].first_loss, 3) << std::setw(8)
           << fixed(h.fitted[e].last_loss, 3) << std::setw(16) << fixed(nats(h.before, e), 3) << std::setw(8)
           << fixed(nats(h.after, e), 3) << std::setw(14) << fixed(h.before.share(h.before.right[e]), 3) << std::setw(7)
           << fixed(h.after.share(h.after.right[e]), 3) << std::setw(13) << fixed(h.before.share(h.before.agrees[e]), 3)
           << std::setw(7) << fixed(h.after.share(h.after.agrees[e]), 3) << '\n';
    }
}

void print_gate(std::ostream& to, const calibrate::fitted_gate& gate) {
    to << "\n" << gate.gate << ": its probabilities on the true text (validate)";
    if (gate.temperatures.size() == 1) to << ", divided by a temperature of " << gate.temperatures.front();
    if (gate.temperatures.size() > 1) to << ", divided by a temperature for each exit";
    to << "\n  layer   decision     share   calibration error before and after   Brier score before and after\n";
    const auto pair = [&](int width, double before, double after) {
        to << std::setw(width) << fixed(before, 3) << std::setw(9) << fixed(after, 3);
    };
    for (const calibrate::fitted_exit& exit : gate.exits) {
        for (const calibrate::gate_calibration& d : exit.decisions) {
            to << std::right << std::setw(7) << exit.layer << "   " << std::left << std::setw(8) << d.decision
               << std::right << std::setw(10) << fixed(d.share, 3);
            if (d.after.size() != 0) {
                pair(28, d.before.expected_calibration_error(), d.after.expected_calibration_error());
                pair(20, d.before.brier_score(), d.after.brier_score());
            }
            to << '\n';
        }
    }
}

void print_rows(std::ostream& to, const std::vector<calibrate::measured_policy>& rows, int width) {
    for (const calibrate::measured_policy& row : rows) {
        to << "  " << std::left << std::setw(width) << to_string(row.policy) << std::right << std::setw(8)
           << percent(row.layers_skipped) << "   " << std::left << std::setw(23)
           << percent(row.loss) + ' ' + range(row.intervals.rouge_l_loss, 1, 100.0) << std::right << std::setw(7)
           << percent(row.agreement) << "   " << fixed(row.speedup, 2) << ' ' << range(row.intervals.decode_speedup, 2)
           << '\n';
    }
}

void print_guarantee(std::ostream& to, const calibrate::gate_choice& choice) {
    const calibrate::guarantee_result& g = *choice.guarantee;
    to << "\nGuarantee for " << choice.gate << ", on " << g.samples
       << " prompts of texts that nothing else saw: mean loss of ROUGE-L at most " << g.eps;
    if (g.delta > 0.0) {
        to << ", except with probability " << g.delta << "\n  mean loss   p-value ("
           << (g.result.exact ? "binomial" : "Hoeffding-Bentkus") << ")   policy\n";
    } else {
        to << " in expectation\n  mean loss (each prompt's largest so far)   policy\n";
    }
    for (std::size_t c = 0; c < g.result.configurations.size(); ++c) {
        to << std::right << std::setw(11) << fixed(g.result.configurations[c].risk, 4);
        if (g.delta > 0.0) to << std::setw(10) << fixed(g.result.configurations[c].p_value, 3);
        to << "   " << to_string(g.policies[c]) << '\n';
    }
    if (g.result.chosen) {
        to << "  It holds for " << to_string(choice.chosen.policy) << '\n';
    } else {
        to << "  None passes: full depth. Even without any loss the test needs " << g.needed << " prompts\n";
    }
}

void print_choice(std::ostream& to, const calibrate::gate_choice& choice) {
    if (!choice.found && choice.promising) {
        const calibrate::measured_policy& p = *choice.promising;
        to << "  " << choice.gate << ": full depth, since no policy's intervals support more; " << to_string(p.policy)
           << " may be " << fixed(p.speedup, 2) << " x " << range(p.intervals.decode_speedup, 2) << " at a loss of "
           << percent(p.loss) << ' ' << range(p.intervals.rouge_l_loss, 1, 100.0);
        if (choice.samples_needed != 0) to << ": about " << choice.samples_needed << " samples would tell";
        to << '\n';
    } else if (!choice.found) {
        to << "  " << choice.gate << ": none was faster; it stays at full depth\n";
    } else {
        to << "  " << to_string(choice.chosen.policy) << ": " << percent(choice.chosen.layers_skipped)
           << " of the layers skipped, " << fixed(choice.chosen.speedup, 2) << " x "
           << range(choice.chosen.intervals.decode_speedup, 2) << " the speed, timed in turns with full depth\n";
    }
    for (const calibrate::checked_format& format : choice.formats) {
        to << "    in " << format.name << ": " << change(-format.found.loss) << " ROUGE-L, "
           << (format.holds ? "holds" : "does not hold, and these exits are refused there") << '\n';
    }
}

}  // namespace

void print(std::ostream& to, const calibrate::fit_result& r, const std::string& source,
           const std::string& weight_format, const std::string& out) {
    to << "Fitted to " << source << " with weights in " << weight_format << ", on " << r.texts << " texts\n";
    print_part(to, "fit", r.fit);
    print_part(to, "validate", r.validation);
    print_exits(to, r.validation.exits);
    if (r.heads) print_heads(to, *r.heads);
    for (const calibrate::fitted_gate& gate : r.gates) print_gate(to, gate);

    int width = 40;
    for (const calibrate::gate_choice& choice : r.choices) {
        for (const auto& row : choice.tried)
            width = std::max(width, static_cast<int>(to_string(row.policy).size()) + 2);
    }
    to << '\n'
       << r.samples << " prompts completed (validate), compared with full depth; speed: what the work costs here\n"
       << "in brackets: 95 % intervals over texts\n  " << std::left << std::setw(width) << "policy" << std::right
       << " skipped   loss of ROUGE-L          agree   speed\n";
    for (const calibrate::gate_choice& choice : r.choices) print_rows(to, choice.tried, width);
    if (const std::string few = too_few(r.samples, {r.loss_target}); !few.empty()) to << few << '\n';
    if (!r.costs.layer.empty()) {
        to << "\nOn this machine (" << r.costs.measured_on.processor << ", " << r.costs.measured_on.threads
           << (r.costs.measured_on.threads == 1 ? " thread" : " threads") << "): one layer "
           << microseconds(r.costs.layer.front()) << ", the output " << microseconds(r.costs.output.front())
           << ", a further token in a layer " << microseconds(r.costs.layer_slope()) << ", keys and values alone "
           << microseconds(r.costs.keys_and_values) << ", the rest of a step " << microseconds(r.costs.token) << '\n';
    }
    to << "\nChosen for a loss of at most " << percent(r.loss_target) << " of ROUGE-L\n";
    for (const calibrate::gate_choice& choice : r.choices) print_choice(to, choice);
    for (const calibrate::gate_choice& choice : r.choices) {
        if (choice.guarantee) print_guarantee(to, choice);
    }
    if (const calibrate::gate_choice* const best = r.best()) {
        to << "The fastest is what --policy fitted follows: " << to_string(best->chosen.policy) << '\n';
    }
    if (!r.front.empty()) {
        to << "For other machines and losses " << r.front.size() << " policies are stored with the work they take\n";
    }
    to << "Wrote " << out << " for weights in " << r.exits.model().weight_formats << '\n';
}

void print(std::ostream& to, const calibrate::fit_estimate& expected, double weights, std::size_t threads) {
    const auto line = [&](const std::string& name, double seconds, double bytes) {
        to << "  " << std::left << std::setw(36) << name << std::right << std::setw(10) << duration(seconds);
        if (bytes > 0.0) to << std::setw(12) << megabytes(bytes);
        to << '\n';
    };
    to << "Expected at most, on this machine with " << threads << (threads == 1 ? " thread" : " threads") << '\n';
    for (const calibrate::fit_step& step : expected.steps) line(step.name, step.seconds, step.bytes);
    line("together", expected.seconds(), expected.bytes());
    to << "Memory is beside the weights of " << megabytes(weights) << ". Observations of " << expected.kept << " of "
       << expected.tokens << " tokens are kept\n"
       << "(--memory). " << expected.samples << " prompts are completed with up to " << expected.policies
       << " policies; a search that loses much ends sooner.\n";
    if (expected.seconds() > 600.0) to << "With --checkpoint FOLDER a fit goes on after an interruption.\n";
}

json estimate_json(const calibrate::fit_estimate& expected, double weights, std::size_t threads) {
    json steps = json::array();
    for (const calibrate::fit_step& step : expected.steps) {
        steps.push_back({{"name", step.name}, {"seconds", step.seconds}, {"bytes", step.bytes}});
    }
    return {{"threads", threads},          {"seconds", expected.seconds()}, {"bytes", expected.bytes()},
            {"weight_bytes", weights},     {"tokens", expected.tokens},     {"kept_tokens", expected.kept},
            {"samples", expected.samples}, {"policies", expected.policies}, {"steps", std::move(steps)}};
}

}  // namespace cli
