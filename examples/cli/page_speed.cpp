// SPDX-License-Identifier: MIT
// Quality against speed: a scatter chart of all policies and their Pareto front.
#include "page_parts.hpp"
#include "svg.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>

namespace cli::page {

namespace {

struct frame {
    double width, height, left, right, top, bottom;
    bool names;  ///< the front's points have their names beside them, else numbers
};
constexpr frame wide{1060, 500, 46, 160, 70, 48, true};
constexpr frame narrow{360, 410, 36, 22, 64, 48, false};

double kept(const eo::calibrate::swept_policy& s) { return 1.0 - s.measured.rouge_l_loss(); }
double speed(const eo::calibrate::swept_policy& s) { return s.measured.decode_speedup(); }

std::string about(const eo::calibrate::swept_policy& s) {
    std::string words = shown_name(s.policy) + "\n" + fixed_digits(speed(s), 2) +
                        "\u00d7 full depth's speed\nROUGE-L " + percentage(kept(s)) + " of full depth's\n" +
                        percentage(s.measured.early.layers_skipped()) + " of the layers skipped";
    if (s.measured.early.stops != 0) words += "\n" + std::to_string(s.measured.early.stops) + " completions stopped";
    return words;
}

/// Round ratios, as many as have room; the roundest first.
std::vector<double> ratio_ticks(const svg::axis& x, double room) {
    std::vector<double> found;
    for (const double tick : {1.0,  2.0,  0.5, 4.0, 1.5, 3.0, 0.25, 8.0, 6.0,  0.75, 1.25, 0.1, 16.0,
                              32.0, 0.05, 2.5, 5.0, 0.8, 1.2, 1.1,  0.9, 0.85, 0.95, 1.05, 1.75}) {
        if (tick < x.low || tick > x.high) continue;
        const bool fits =
            std::ranges::none_of(found, [&](double other) { return std::abs(x(other) - x(tick)) < room; });
        if (fits) found.push_back(tick);
    }
    return found;
}

std::string plain(double value) {
    std::string text = fixed_digits(value, 2);
    while (text.ends_with('0')) text.pop_back();
    if (text.ends_with('.')) text.pop_back();
    return text;
}

svg::axis speed_axis(const evaluation_report& r, const frame& f) {
    double low = 1.0;
    double high = 1.0;
    for (const eo::calibrate::swept_policy& s : r.sweep) {
        if (speed(s) <= 0.0) continue;
        low = std::min(low, speed(s));
        high = std::max(high, speed(s));
    }
    svg::axis x;
    x.logarithmic = true;
    x.low = low / 1.05;
    x.high = std::max(high * 1.06, 1.2);
    x.at_low = f.left;
    x.at_high = f.width - f.right;
    x.title = f.names ? "decoding speed, times full depth's (logarithmic)" : "decoding speed, \u00d7 full depth (log)";
    x.label = [](double v) { return plain(v) + "\u00d7"; };
    x.ticks = ratio_ticks(x, 44);
    return x;
}

svg::axis quality_axis(const evaluation_report& r, const frame& f) {
    double low = 0.98;
    double high = 1.0;
    for (const eo::calibrate::swept_policy& s : r.sweep) {
        low = std::min(low, kept(s));
        high = std::max(high, kept(s));
    }
    const double margin = 0.04 * (high - low);
    svg::axis y;
    y.low = low - 2.0 * margin;
    y.high = high + margin;
    y.at_low = f.height - f.bottom;
    y.at_high = f.top;
    y.title = "ROUGE-L kept, % of full depth's";
    y.ticks = svg::ticks(y.low, y.high, f.names ? 8 : 6);
    const int digits = y.high - y.low < 0.05 ? 1 : 0;
    y.label = [digits](double v) { return fixed_digits(100.0 * v, digits); };
    return y;
}

/// Small boxes along a line: what a label must not cover.
std::vector<svg::box> along(double x1, double y1, double x2, double y2) {
    std::vector<svg::box> boxes;
    const double steps = std::max(1.0, std::hypot(x2 - x1, y2 - y1) / 6.0);
    for (double at = 0.0; at < steps; at += 1.0) {
        const double x = x1 + (x2 - x1) * at / steps;
        const double y = y1 + (y2 - y1) * at / steps;
        boxes.push_back({x - 1, y - 1, x + 1, y + 1});
    }
    return boxes;
}

/// Places labels beside the points of the front, where they cover no mark, no line and no other label.
class front_labels {
public:
    front_labels(const frame& f, double floor, std::vector<svg::box> marks, std::vector<svg::box> texts)
        : frame_(f), floor_(floor), marks_(std::move(marks)), texts_(std::move(texts)) {}

    /// @param names from the longest to the shortest; none is placed when there is room for none
    void place(double x, double y, const std::vector<std::string>& names) {
        for (const std::string& name : names) {
            for (const double away : {0.0, 14.0, 28.0, 42.0, 60.0, 80.0}) {
                if (place_at(x, y, away, name)) return;
            }
        }
    }
    [[nodiscard]] const std::string& markup() const noexcept { return markup_; }

private:
    bool place_at(double x, double y, double away, const std::string& name) {
        const double size = frame_.names ? 13.0 : 12.0;
        const double width = svg::text_width(name, size);
        // Up and to the right of a front there is nothing else; below, to the left, there may be room.
        for (const double turn : {0.0, 0.5, 1.0, -0.35}) {
            const double left = x + 9 + away * (1.0 - std::abs(turn) * 0.5);
            const double base = y - 3 - away * turn;
            if (take(left, base, width, size, {x + 5, y - 3, left - 2, base - size / 3}, away > 0.0, name)) return true;
        }
        for (const double turn : {1.0, -0.5}) {
            const double right = x - 9 - away * 0.5;
            const double base = turn > 0.0 ? y - 5 - away * turn : y + 12 - away * turn;
            const svg::box leader{x - 4, turn > 0.0 ? y - 5 : y + 4, right + 2, base - size / 3};
            if (take(right - width, base, width, size, leader, away > 0.0, name, "end")) return true;
        }
        return false;
    }

    bool take(double left, double base, double width, double size, const svg::box& leader, bool with_leader,
              const std::string& name, std::string_view anchor = "start") {
        const svg::box wanted{left - 2, base - size, left + width + 2, base + 4};
        const auto hits = [](const std::vector<svg::box>& boxes, const svg::box& found) {
            return std::ranges::any_of(boxes, [&](const svg::box& b) { return b.overlaps(found); });
        };
        if (wanted.left < 0 || wanted.right > frame_.width || wanted.top < 2 || wanted.bottom > floor_) return false;
        if (hits(marks_, wanted) || hits(texts_, wanted)) return false;
        if (with_leader) {
            const std::vector<svg::box> line = along(leader.left, leader.top, leader.right, leader.bottom);
            if (std::ranges::any_of(line, [&](const svg::box& b) { return hits(texts_, b); })) return false;
            marks_.insert(marks_.end(), line.begin(), line.end());
            markup_ += svg::line(leader.left, leader.top, leader.right, leader.bottom, "leader");
        }
        texts_.push_back(wanted);
        markup_ += svg::text(anchor == "end" ? left + width : left, base, name, "name", anchor);
        return true;
    }

    const frame& frame_;
    double floor_;
    std::vector<svg::box> marks_, texts_;
    std::string markup_;
};

std::string chart(const evaluation_report& r, const std::vector<const eo::calibrate::swept_policy*>& front,
                  const frame& f) {
    const svg::axis x = speed_axis(r, f);
    const svg::axis y = quality_axis(r, f);
    std::string out = svg::axes(x, y);
    out += svg::line(x(1.0), y.at_low, x(1.0), y.at_high, "reference");
    out += svg::line(x.at_low, y(1.0), x.at_high, y(1.0), "reference");

    std::vector<std::pair<double, double>> path;
    if (front.empty() || kept(*front.front()) < 1.0) path.emplace_back(x(1.0), y(1.0));
    for (const eo::calibrate::swept_policy* s : front) path.emplace_back(x(speed(*s)), y(kept(*s)));
    out += svg::polyline(path, "front");

    std::vector<svg::box> marks, texts;
    for (std::size_t i = 1; i < path.size(); ++i) {
        const auto boxes = along(path[i - 1].first, path[i - 1].second, path[i].first, path[i].second);
        marks.insert(marks.end(), boxes.begin(), boxes.end());
    }
    const auto take = [&](double px, double py) { marks.push_back({px - 6, py - 6, px + 6, py + 6}); };
    const auto draw = [&](const eo::calibrate::swept_policy& s, bool on_front) {
        const double px = x(std::max(speed(s), x.low));
        const double py = y(kept(s));
        take(px, py);
        const std::string style = gate_style(s.policy) + cache_style(s.policy) +
                                  (on_front               ? " best"
                                   : only_stops(s.policy) ? " faint"
                                                          : " other");
        return svg::marker(gate_shape(s.policy), px, py, style, about(s),
                           (on_front ? 5.5 : 4.2) * (f.names ? 1.0 : 0.8));
    };
    for (const eo::calibrate::swept_policy& s : r.sweep) {
        if (std::ranges::find(front, &s) == front.end()) out += draw(s, false);
    }
    for (const eo::calibrate::swept_policy* s : front) out += draw(*s, true);
    out += svg::circle(x(1.0), y(1.0), 6.5, "full", "full depth: 1\u00d7, 100 %");
    take(x(1.0), y(1.0));

    const std::string here = "full depth";
    const double width = svg::text_width(here, 12);
    out += svg::text(x(1.0) + 5, y.at_low - 5, here, "note");
    texts.push_back({x(1.0), y.at_low - 16, x(1.0) + 8 + width, y.at_low});
    texts.push_back({0, y.at_high - 24, svg::text_width(y.title, 12), y.at_high - 8});
    front_labels labels(f, y.at_low, std::move(marks), std::move(texts));
    for (std::size_t i = front.size(); i-- > 0;) {
        std::vector<std::string> names{std::to_string(i + 1)};
        if (f.names) names.insert(names.begin(), names.front() + " \u00b7 " + shown_name(front[i]->policy));
        labels.place(x(speed(*front[i])), y(kept(*front[i])), names);
    }
    out += labels.markup();
    return svg::picture(f.width, f.height, "Scatter chart of quality against speed, one mark for each policy", out,
                        f.names ? "wide" : "narrow");
}

std::string legend(const evaluation_report& r) {
    std::string entries;
    std::vector<std::string> seen;
    for (const eo::calibrate::swept_policy& s : r.sweep) {
        eo::policy_spec shown = s.policy;
        shown.cache = "defer";
        const eo::gate_spec* const gate = s.policy.main_gate();
        const std::string name = only_stops(s.policy) ? "sec, stops only" : gate != nullptr ? gate->name : "none";
        if (std::ranges::find(seen, name) != seen.end()) continue;
        seen.push_back(name);
        entries += element("li", {}, inline_mark(shown) + escape(name));
    }
    for (const char* kv : {"defer", "propagate", "omit"}) {
        if (std::ranges::none_of(r.sweep, [kv](const eo::calibrate::swept_policy& s) { return s.policy.cache == kv; }))
            continue;
        eo::policy_spec kept;
        kept.gates = {{eo::make_gate_spec("margin")}};
        kept.cache = kv;
        entries += element("li", {}, element("span", {{"class", "gray"}}, inline_mark(kept)) + kv);
    }
    return element("ul", {{"class", "legend"}}, entries);
}

std::string list_front(const std::vector<const eo::calibrate::swept_policy*>& front) {
    if (front.empty()) return element("p", {{"class", "remark"}}, "No policy was faster than full depth.");
    std::string rows;
    std::size_t number = 0;
    for (const eo::calibrate::swept_policy* s : front) {
        rows += element("tr", {},
                        element("td", {{"class", "n"}}, std::to_string(++number)) +
                            element("th", {{"scope", "row"}}, inline_mark(s->policy) + escape(shown_name(s->policy))) +
                            element("td", {}, fixed_digits(speed(*s), 2) + "\u00d7") +
                            element("td", {}, percentage(kept(*s))) +
                            element("td", {}, percentage(s->measured.early.layers_skipped())));
    }
    const std::string head =
        element("tr", {},
                element("th", {{"class", "n"}}, "#") + element("th", {{"class", "first"}}, "On the front") +
                    element("th", {}, "speed") + element("th", {}, "kept") + element("th", {}, "skipped"));
    return element("div", {{"class", "scroll"}},
                   element("table", {{"class", "compact"}}, element("thead", {}, head) + element("tbody", {}, rows)));
}

}  // namespace

std::string quality_against_speed(const evaluation_report& r) {
    if (r.sweep.empty()) return {};
    const std::vector<const eo::calibrate::swept_policy*> front = eo::calibrate::pareto_front(r.sweep);
    return section(
        "Quality against speed",
        "Each mark is a policy; up and to the right is better. The line is the Pareto front: no other policy is both "
        "faster and better. Policies that stopped a completion are not on it: shorter texts are not comparable.",
        legend(r) + chart(r, front, wide) + chart(r, front, narrow) + list_front(front));
}

}  // namespace cli::page
