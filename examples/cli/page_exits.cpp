// SPDX-License-Identifier: MIT
// What each exit is worth: how early tokens are right, where policies exit, and whether confidences can be believed.
#include "page_parts.hpp"
#include "svg.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace cli::page {

namespace {

// Widths of large pictures: a page shows the one that suits its own.
constexpr double wide_width = 510;
constexpr double narrow_width = 350;

std::string percent_label(double v) { return fixed_digits(100.0 * v, 0); }

/// Shares from 0 up, in percent.
svg::axis share_axis(double most, double at_low, double at_high, std::string title, std::size_t count = 5) {
    svg::axis y;
    y.high = most * 1.06;
    y.at_low = at_low;
    y.at_high = at_high;
    y.title = std::move(title);
    y.ticks = svg::ticks(0.0, std::min(1.0, y.high), count);
    y.label = percent_label;
    return y;
}

/// One column for each layer; columns are centred on whole numbers.
svg::axis layer_axis(std::size_t columns, std::size_t layers, double at_low, double at_high, std::string title) {
    svg::axis x;
    x.low = 0.5;
    x.high = static_cast<double>(columns) + 0.5;
    x.at_low = at_low;
    x.at_high = at_high;
    x.title = std::move(title);
    const double room = (at_high - at_low) / static_cast<double>(columns);
    const auto step = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(18.0 / room)));
    for (std::size_t layer = 1; layer <= layers; ++layer) {
        if (layer == 1 || layer % step == 0) x.ticks.push_back(static_cast<double>(layer));
    }
    x.label = [](double v) { return fixed_digits(v, 0); };
    return x;
}

std::string column(const svg::axis& x, const svg::axis& y, double at, double share, const std::string& style,
                   const std::string& about, bool with_value) {
    const double width = (x(2.0) - x(1.0)) * 0.78;
    std::string out = svg::rectangle(x(at) - width / 2, y(share), width, y(0.0) - y(share), style, about);
    const std::string value = fixed_digits(100.0 * share, 1);
    if (with_value && svg::text_width(value, 11) <= width + 8) {
        out += svg::text(x(at), y(share) - 4, value, "note small", "middle");
    }
    return out;
}

std::string layer_style(std::size_t layer) { return "bar l" + std::to_string(layer); }

std::string first_right_chart(const eo::calibrate::exit_accuracy& a, double width) {
    constexpr double paper_first = 0.544;
    constexpr double paper_never = 0.145;
    double most = std::max(paper_first, a.share(a.never_right));
    for (const std::size_t count : a.first_right) most = std::max(most, a.share(count));
    const std::size_t layers = a.layers.size();
    const svg::axis y = share_axis(most, 230, 34, "% of the tokens");
    svg::axis x = layer_axis(layers + 1, layers, 34, width - 10, "first layer whose arg-max is the next token");
    std::string out = svg::axes(x, y);
    const double never = static_cast<double>(layers + 1);
    out += svg::text(x(never), y.at_low + 18, "never", "tick", "middle");
    for (std::size_t e = 0; e < layers; ++e) {
        const double share = a.share(a.first_right[e]);
        out += column(
            x, y, static_cast<double>(e + 1), share, layer_style(a.layers[e]),
            "layer " + std::to_string(a.layers[e]) + ": right first for " + percentage(share) + " of the tokens", true);
    }
    out += column(x, y, never, a.share(a.never_right), "never",
                  "no layer is right for " + percentage(a.share(a.never_right)) + " of the tokens", true);
    const double half = (x(2.0) - x(1.0)) / 2;
    const std::string paper = "Stop&Exit paper: ";
    out += svg::line(x(1.0) - half, y(paper_first), x(1.0) + half, y(paper_first), "paper");
    out += svg::text(x(1.0) + half + 5, y(paper_first) + 4, paper + "54.4", "note small");
    out += svg::line(x(never) - half, y(paper_never), x(never) + half, y(paper_never), "paper");
    out += svg::text(x(never) - half - 5, y(paper_never) + 4, paper + "14.5", "note small", "end");
    return svg::picture(width, 270, "Columns: share of tokens that are right first at each layer, and never", out,
                        width < wide_width ? "narrow" : "wide");
}

struct curve {
    std::string name;
    std::string style;
    std::vector<double> shares;
};

std::string accuracy_chart(const eo::calibrate::exit_accuracy& a, double width) {
    std::array<curve, 3> curves{{{"as full depth", "g3", {}}, {"right here or before", "g4", {}}, {"right", "g1", {}}}};
    double so_far = 0.0;
    for (std::size_t e = 0; e < a.layers.size(); ++e) {
        so_far += a.share(a.first_right[e]);
        curves[0].shares.push_back(a.share(a.agrees[e]));
        curves[1].shares.push_back(so_far);
        curves[2].shares.push_back(a.share(a.right[e]));
    }
    const std::size_t layers = a.layers.size();
    const svg::axis y = share_axis(1.0 / 1.06, 230, 34, "% of the tokens");
    const svg::axis x = layer_axis(layers, layers, 34, width - 138, "layer");
    std::string out = svg::axes(x, y);
    double lowest_free = 1e9;  // names at the right ends, from the lowest up, none over another
    std::ranges::sort(curves, {}, [](const curve& c) { return c.shares.back(); });
    for (const curve& c : curves) {
        std::vector<std::pair<double, double>> points;
        std::string dots;
        for (std::size_t e = 0; e < layers; ++e) {
            points.emplace_back(x(static_cast<double>(e + 1)), y(c.shares[e]));
            dots +=
                svg::circle(points.back().first, points.back().second, 3.6, c.style + " dot",
                            "layer " + std::to_string(a.layers[e]) + ": " + c.name + ", " + percentage(c.shares[e]));
        }
        out += svg::polyline(points, c.style + " series") + dots;
        const double at = std::min(points.back().second + 4, lowest_free - 15);
        lowest_free = at;
        out += svg::text(points.back().first + 9, at, percent_label(c.shares.back()) + "  " + c.name, "note");
    }
    return svg::picture(width, 270, "Lines: accuracy of every exit", out, width < wide_width ? "narrow" : "wide");
}

std::string histogram(const eo::calibrate::swept_policy& s, double most) {
    const eo::calibrate::evaluation& e = s.measured.early;
    const std::size_t layers = e.layers;
    const svg::axis y = share_axis(most, 128, 26, "% of the tokens", 3);
    const svg::axis x = layer_axis(layers, layers, 30, 252, "exited after layer");
    std::string out = svg::axes(x, y);
    for (std::size_t layer = 1; layer < e.exit_histogram.size(); ++layer) {
        const double share =
            static_cast<double>(e.exit_histogram[layer]) / static_cast<double>(std::max<std::size_t>(1, e.predictions));
        if (share == 0.0) continue;
        out += column(x, y, static_cast<double>(layer), share, layer_style(layer),
                      "layer " + std::to_string(layer) + ": " + percentage(share) + ", " +
                          std::to_string(e.exit_histogram[layer]) + " tokens",
                      true);
    }
    const std::string remark = fixed_digits(s.measured.decode_speedup(), 2) + "\u00d7 \u00b7 loss " +
                               percentage(s.measured.rouge_l_loss()) + " \u00b7 mean layer " +
                               fixed_digits(e.mean_exit_layer(), 1);
    return figure(shown_name(s.policy), svg::picture(260, 168, "Columns: where tokens exited", out), remark);
}

struct said {
    const eo::calibrate::reliability* found;
    std::string style;
    std::string name;
};

std::string reliability_chart(const std::vector<said>& series) {
    constexpr std::size_t parts = 10;
    constexpr double left = 34, right = 250, top = 26, bottom = 214, strip = 34;
    svg::axis x, y;
    x.at_low = left;
    x.at_high = right;
    x.title = "said, %";
    y.at_low = bottom;
    y.at_high = top;
    y.title = "came true, %";
    x.ticks = y.ticks = {0.0, 0.25, 0.5, 0.75, 1.0};
    x.label = y.label = percent_label;
    std::string out = svg::axes(x, y);
    out += svg::line(x(0), y(0), x(1), y(1), "reference");
    const double columns = static_cast<double>(parts * series.size());
    for (std::size_t i = 0; i < series.size(); ++i) {
        const auto bins = series[i].found->bins(parts);
        const auto total = static_cast<double>(std::max<std::size_t>(1, series[i].found->size()));
        std::vector<std::pair<double, double>> points;
        std::string dots;
        for (std::size_t part = 0; part < parts; ++part) {
            const auto& bin = bins[part];
            const auto count = static_cast<double>(bin.count);
            const double width = (right - left) / columns;
            const std::string counted = series[i].name + ", said " + std::to_string(part * 10) + " to " +
                                        std::to_string(part * 10 + 10) + " %: " + grouped(bin.count) + " tokens";
            const double high = strip * std::sqrt(count / total);
            out += svg::rectangle(left + width * static_cast<double>(part * series.size() + i), bottom - high,
                                  width - 0.8, high, series[i].style + " counts", counted);
            if (bin.count < 10) continue;
            points.emplace_back(x(bin.predicted), y(bin.observed));
            dots += svg::circle(points.back().first, points.back().second, 2.4 + 3.6 * std::sqrt(count / total),
                                series[i].style + " dot", counted + ", came true for " + percentage(bin.observed));
        }
        out += svg::polyline(points, series[i].style + " series") + dots;
    }
    return svg::picture(258, 254, "Reliability: what was said against what came true", out);
}

std::string error_remark(const eo::calibrate::reliability& first, const std::string& name,
                         const eo::calibrate::reliability& second) {
    return "mean error " + fixed_digits(100.0 * first.expected_calibration_error(), 1) + " points \u00b7 " + name +
           " " + fixed_digits(100.0 * second.expected_calibration_error(), 1);
}

/// At most eight of the exits, full depth among them, evenly spread.
std::vector<std::size_t> spread(std::size_t count) {
    const std::size_t shown = std::min<std::size_t>(8, count);
    std::vector<std::size_t> chosen;
    for (std::size_t i = 1; i <= shown; ++i) chosen.push_back(i * count / shown - 1);
    return chosen;
}

std::string key(const std::vector<std::pair<std::string, std::string>>& entries) {
    std::string items;
    for (const auto& [style, name] : entries) {
        const std::string dot =
            element("svg", {{"viewBox", "0 0 16 16"}, {"class", "mark"}}, svg::circle(8, 8, 5, style));
        items += element("li", {}, dot + escape(name));
    }
    return element("ul", {{"class", "legend"}}, items);
}

}  // namespace

std::string oracle(const evaluation_report& r) {
    const eo::calibrate::exit_accuracy& a = r.observed.accuracy;
    if (a.tokens == 0) return {};
    return section("How early tokens could exit",
                   "Every exit on " + grouped(a.tokens) +
                       " tokens of the true text. A gate that knew full depth's answer would skip " +
                       percentage(a.skipped_by_oracle()) +
                       " of the layers. Dashed: the Stop&Exit paper's figures for "
                       "its own models (Sun et al., ICSE 2024).",
                   figures("large", {figure("Right first after this layer",
                                            first_right_chart(a, wide_width) + first_right_chart(a, narrow_width)),
                                     figure("Accuracy of each exit",
                                            accuracy_chart(a, wide_width) + accuracy_chart(a, narrow_width))}));
}

std::string exit_histograms(const evaluation_report& r) {
    const eo::calibrate::swept_policy* const chosen = policy_to_show(r);
    if (chosen == nullptr) return {};
    std::vector<const eo::calibrate::swept_policy*> shown{chosen};
    std::vector<const eo::calibrate::swept_policy*> front = eo::calibrate::pareto_front(r.sweep);
    std::erase(front, chosen);
    const std::size_t others = std::min<std::size_t>(7, front.size());
    for (std::size_t i = 1; i <= others; ++i) shown.push_back(front[i * front.size() / others - 1]);
    double most = 0.0;
    for (const eo::calibrate::swept_policy* s : shown) {
        const auto& e = s->measured.early;
        for (const std::size_t count : e.exit_histogram) {
            most = std::max(most,
                            static_cast<double>(count) / static_cast<double>(std::max<std::size_t>(1, e.predictions)));
        }
    }
    std::vector<std::string> pictures;
    for (const eo::calibrate::swept_policy* s : shown) pictures.push_back(histogram(*s, most * 1.06));
    return section(
        "Where tokens exited",
        "The policy shown first is the fastest that loses at most 1.1 % or, without one, the fastest of all; "
        "then others of the Pareto front, from the slowest. A completion's first token comes from the "
        "prompt, at full depth unless prompts are lazy.",
        figures("small", pictures));
}

std::string reliability_diagrams(const evaluation_report& r) {
    const eo::calibrate::observation& o = r.observed;
    if (o.exits.empty()) return {};
    std::vector<std::string> confidences, controllers;
    for (const std::size_t e : spread(o.exits.size())) {
        const eo::calibrate::exit_reliability& exit = o.exits[e];
        const bool last = e + 1 == o.exits.size();
        const std::string title = last ? "Full depth (layer " + std::to_string(exit.layer) + ")"
                                       : "After layer " + std::to_string(exit.layer);
        confidences.push_back(figure(
            title, reliability_chart({{&exit.max_probability, "g1", "probability"}, {&exit.margin, "g6", "margin"}}),
            error_remark(exit.max_probability, "margin", exit.margin)));
        if (!o.has_sec || last) continue;
        controllers.push_back(
            figure(title, reliability_chart({{&exit.sec_exit, "g3", "exit"}, {&exit.sec_stop, "g6", "stop"}}),
                   error_remark(exit.sec_exit, "stop", exit.sec_stop)));
    }
    std::string out = section(
        "Can the confidence be believed?",
        "The probability of an exit's most likely token, and its margin over the second, against how often that token "
        "is right. On the diagonal a confidence means what it says; a margin is no probability, so it need not lie "
        "there. Columns at the foot: how many tokens (their height is the root of the share). Dots for ten "
        "tokens or more.",
        key({{"g1", "highest probability"}, {"g6", "margin"}}) + figures("small", confidences));
    if (!controllers.empty()) {
        out += section("Can the Stop&amp;Exit gate be believed?",
                       "Its probability of exit against how often this exit is right, and of stop against how often no "
                       "layer is right.",
                       key({{"g3", "exit: this exit is right"}, {"g6", "stop: no layer is right"}}) +
                           figures("small", controllers));
    }
    return out;
}

}  // namespace cli::page
#include <earlyout/calibrate/exit_accuracy.hpp>
