// SPDX-License-Identifier: MIT
// Every decision of every gate on the true text: precision against recall over the thresholds.
#include "page_parts.hpp"
#include "svg.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace cli::page {

namespace {

using eo::calibrate::decision_sweep;

eo::policy_spec gate_of(const decision_sweep& d) {
    eo::policy_spec policy;
    policy.gates = {{eo::make_gate_spec(d.gate)}};
    policy.cache = "defer";  // whose marks are filled
    return policy;
}

std::string threshold_text(float threshold) {
    std::string text = fixed_digits(static_cast<double>(threshold), 3);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
}

std::string chart(const eo::calibrate::observation& o, const std::string& decision) {
    constexpr double left = 38, right = 420, top = 14, bottom = 250;
    svg::axis x, y;
    x.at_low = left;
    x.at_high = right;
    x.title = "recall: deserved ones that were said, %";
    y.at_low = bottom;
    y.at_high = top + 12;
    y.title = "precision: said ones that were deserved, %";
    x.ticks = y.ticks = {0.0, 0.2, 0.4, 0.6, 0.8, 1.0};
    x.label = y.label = [](double share) { return fixed_digits(100.0 * share, 0); };
    std::string out = svg::axes(x, y);
    for (const decision_sweep& d : o.decisions) {
        if (d.decision != decision) continue;
        const std::string style = gate_style(gate_of(d));
        std::vector<std::pair<double, double>> points;
        std::string dots;
        for (std::size_t i = 0; i < d.counts.size(); ++i) {
            const auto& c = d.counts[i];
            if (c.true_positives + c.false_positives == 0) continue;
            points.emplace_back(x(c.recall()), y(c.precision()));
            dots += svg::circle(points.back().first, points.back().second, 3.4, style + " dot",
                                d.gate + " at " + threshold_text(d.thresholds[i]) + ": precision " +
                                    percentage(c.precision()) + ", recall " + percentage(c.recall()) + ", F1 " +
                                    fixed_digits(c.f1(), 3));
        }
        out += svg::polyline(points, style + " series") + dots;
    }
    return svg::picture(430, 290, "Lines: precision against recall of " + decision, out);
}

/// The thresholds of the best F1, and those beside them.
std::string table(const eo::calibrate::observation& o) {
    std::string rows;
    for (const decision_sweep& d : o.decisions) {
        const auto best = std::ranges::max_element(d.counts, {}, &eo::calibrate::confusion_counts::f1);
        const auto cell = [](const std::string& text) { return element("td", {}, text); };
        rows +=
            element("tr", {},
                    element("th", {{"scope", "row"}}, inline_mark(gate_of(d)) + escape(d.gate + ", " + d.decision)) +
                        cell(threshold_text(d.thresholds[static_cast<std::size_t>(best - d.counts.begin())])) +
                        cell(percentage(best->precision())) + cell(percentage(best->recall())) +
                        cell(fixed_digits(best->f1(), 3)));
    }
    std::string head = element("th", {{"class", "first"}}, "decision");
    for (const char* name : {"threshold of the best F1", "precision", "recall", "F1"}) head += element("th", {}, name);
    return element("div", {{"class", "scroll"}},
                   element("table", {{"class", "compact"}},
                           element("thead", {}, element("tr", {}, head)) + element("tbody", {}, rows)));
}

std::string stops(const evaluation_report& r) {
    std::string items;
    for (const double precision : {0.8, 0.9}) {
        const eo::calibrate::swept_policy* const best =
            eo::calibrate::best_stop_at_precision(r.sweep, r.samples, precision);
        if (best == nullptr) continue;
        items +=
            element("p", {{"class", "remark"}},
                    "Stops that were right in at least " + percentage(precision, 0) + ": " +
                        element("b", {}, escape(shown_name(best->policy))) + " ended " +
                        grouped(best->measured.early.stops) + " completions, " +
                        percentage(best->measured.stops(r.samples).precision(), 0) + " of them correctly, and saved " +
                        percentage(best->measured.work_saved()) + " of all work, prompts counted.");
    }
    return items;
}

}  // namespace

std::string decisions(const evaluation_report& r) {
    const eo::calibrate::observation& o = r.observed;
    if (o.decisions.empty() || o.accuracy.tokens == 0) return {};
    std::vector<std::string> pictures{figure("Exit", chart(o, "exit"))};
    const bool has_stops = std::ranges::find(o.decisions, "stop", &decision_sweep::decision) != o.decisions.end();
    if (has_stops) pictures.push_back(figure("Stop", chart(o, "stop")));
    return section(
        "What gates decide on the true text",
        "Every token at every layer below the top is one case; dots are thresholds. An exit is deserved from "
        "the first layer whose arg-max is the next token on, a stop where no layer's is.",
        figures("large", pictures) + table(o) + stops(r));
}

}  // namespace cli::page
