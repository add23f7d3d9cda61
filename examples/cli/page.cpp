// SPDX-License-Identifier: MIT
#include "page.hpp"

#include "page_parts.hpp"
#include "page_style.hpp"
#include "svg.hpp"

#include <algorithm>
#include <filesystem>
#include <vector>

namespace cli {

namespace page {

namespace {

std::size_t gate_number(const eo::policy_spec& policy) {
    const eo::gate_spec* const gate = policy.main_gate();
    if (gate == nullptr) return 0;
    const auto gates = eo::gate_catalogue();
    const auto found =
        std::ranges::find(gates, gate->name, [](const eo::gate_entry& entry) { return entry.info.name; });
    return static_cast<std::size_t>(found - gates.begin());
}

void replace_all(std::string& in, std::string_view what, std::string_view by) {
    for (std::size_t at = 0; (at = in.find(what, at)) != std::string::npos; at += by.size()) {
        in.replace(at, what.size(), by);
    }
}

/// "1.21 to 1.31"
std::string range_of(const eo::calibrate::interval& i, int digits, double scale = 1.0) {
    if (!i.is_known()) return "?";
    return fixed_digits(scale * i.low, digits) + " to " + fixed_digits(scale * i.high, digits);
}

/// What so few samples cannot tell of the likeliest policy.
std::string about_promising(const evaluation_report& r, double loss) {
    if (r.lacks) return escape(*r.lacks);
    const eo::calibrate::swept_policy* const s = eo::calibrate::promising_at_loss(r.sweep, loss);
    if (s == nullptr) return "nothing faster was as good";
    const double found = s->measured.rouge_l_loss();
    const std::size_t needed =
        eo::calibrate::samples_to_support(found, s->intervals.rouge_l_loss, loss, r.samples.size());
    std::string words = escape(shown_name(s->policy)) + " may be " + fixed_digits(s->measured.decode_speedup(), 2) +
                        "\u00d7 (" + range_of(s->intervals.decode_speedup, 2) + ") at a loss of " + percentage(found) +
                        " (" + range_of(s->intervals.rouge_l_loss, 1, 100.0) + ")";
    if (needed != 0) words += ": about " + grouped(std::max(needed, r.samples.size() + 1)) + " samples would tell";
    return words;
}

/// One card for each winner, whose losses it serves.
std::string best_cards(const evaluation_report& r) {
    struct card {
        const eo::calibrate::swept_policy* best;
        std::vector<double> losses;
    };
    std::vector<card> found;
    for (const double loss : {0.0, 0.011, 0.03, 0.05}) {
        const eo::calibrate::swept_policy* const best = winner(r, loss);
        if (found.empty() || found.back().best != best) found.push_back({best, {}});
        found.back().losses.push_back(loss);
    }
    std::string cards;
    for (const auto& [best, losses] : found) {
        std::string limit;
        for (const double loss : losses) {
            limit += limit.empty() ? "" : ", ";
            limit += loss == 0.0 ? "no loss"
                                 : (limit.empty() ? "loss up to " : "") + percentage(loss, loss == 0.011 ? 1 : 0);
        }
        const std::string value = fixed_digits(best != nullptr ? best->measured.decode_speedup() : 1.0, 2) + "\u00d7";
        const std::string more = best == nullptr
                                     ? about_promising(r, losses.back())
                                     : range_of(best->intervals.decode_speedup, 2) + "\u00d7; " +
                                           percentage(best->measured.early.layers_skipped()) +
                                           " of the layers skipped, loss " + percentage(best->measured.rouge_l_loss()) +
                                           " (" + range_of(best->intervals.rouge_l_loss, 1, 100.0) + ")";
        cards += element("li", {},
                         element("div", {{"class", "loss"}}, limit) + element("div", {{"class", "value"}}, value) +
                             element("div", {{"class", "policy"}},
                                     best == nullptr ? "full depth" : escape(shown_name(best->policy))) +
                             element("div", {{"class", "more"}}, more));
    }
    return element("ul", {{"class", "cards"}}, cards);
}

std::string count_of(std::size_t count, const std::string& what) {
    return grouped(count) + " " + what + (count == 1 ? "" : "s");
}

std::string top(const evaluation_report& r) {
    const std::size_t layers = r.observed.accuracy.layers.empty() ? 0 : r.observed.accuracy.layers.back();
    std::string words = element("b", {}, escape(last_parts(r.model))) + " (" + count_of(layers, "layer") +
                        ", weights in " + escape(r.weight_format) + ", " + count_of(r.threads, "thread") +
                        ") completed " + count_of(r.samples.size(), "piece") + " of " + count_of(r.texts, "text") +
                        ", " + count_of(r.cut.new_tokens, "token") + " each, greedily, with " +
                        count_of(r.sweep.size(), "exit policy");
    replace_all(words, "exit policys", "exit policies");
    words +=
        ", each in turns with full depth. Speed is tokens per second of decoding against full depth, loss how much "
        "less ROUGE-L the completions have against what really follows.";
    if (!r.complete) words += " The measurement was interrupted: the policies that were done are here.";
    return element(
        "header", {{"class", "top"}},
        element("h1", {}, "What early exits are worth") + element("p", {{"class", "lead"}}, words) + best_cards(r) +
            element("p", {{"class", "remark"}},
                    "The fastest policy at each loss, without stops, chosen and measured on these samples, where the "
                    "95\u202f% intervals over texts support it: on others it will do a little worse."));
}

}  // namespace

std::string shown_name(const eo::policy_spec& policy) {
    std::string name = to_string(policy);
    replace_all(name, ">=", "\u2265");
    replace_all(name, "<=", "\u2264");
    return name;
}

std::string last_parts(const std::string& path) {
    std::filesystem::path p = std::filesystem::path(path).lexically_normal();
    if (p.filename().empty()) p = p.parent_path();
    return (p.parent_path().filename() / p.filename()).string();
}

std::string gate_style(const eo::policy_spec& policy) { return "g" + std::to_string(gate_number(policy) % 8); }

std::size_t gate_shape(const eo::policy_spec& policy) {
    const std::size_t number = gate_number(policy);
    return number < 2 ? 1 - number : number;  // a square for what is always the same, a circle for margins
}

std::string cache_style(const eo::policy_spec& policy) {
    return policy.cache == "propagate" ? " hollow" : policy.cache == "omit" ? " hollow dashed" : "";
}

bool only_stops(const eo::policy_spec& policy) {
    const eo::gate_spec* const gate = policy.main_gate();
    return gate != nullptr && gate->name == eo::sec_gate::info.name && gate->values[0] == 1.0f && gate->values[1] &&
           *gate->values[1] < 1.0f;
}

std::string inline_mark(const eo::policy_spec& policy) {
    const std::string style = gate_style(policy) + cache_style(policy) + (only_stops(policy) ? " faint" : " best");
    return element("svg", {{"viewBox", "0 0 16 16"}, {"class", "mark"}, {"aria-hidden", "true"}},
                   svg::marker(gate_shape(policy), 8, 8, style, {}, 4.6));
}

std::string section(std::string_view heading, std::string_view words, std::string_view content) {
    return element("section", {}, element("h2", {}, heading) + element("p", {}, words) + std::string(content)) + "\n";
}

std::string figures(std::string_view least, const std::vector<std::string>& pictures) {
    std::string all;
    for (const std::string& picture : pictures) all += picture;
    return element("div", {{"class", "figures " + std::string(least) + "-figures"}}, all);
}

std::string figure(std::string_view title, std::string_view picture, std::string_view remark) {
    return element("div", {{"class", "figure"}},
                   element("h3", {}, escape(title)) + std::string(picture) +
                       (remark.empty() ? std::string() : element("p", {}, escape(remark))));
}

std::string table_of_policies(const evaluation_report& r) {
    if (r.sweep.empty()) return {};
    const std::vector<const eo::calibrate::swept_policy*> front = eo::calibrate::pareto_front(r.sweep);
    std::string rows;
    std::vector<const eo::calibrate::swept_policy*> ordered(front.rbegin(), front.rend());
    for (const eo::calibrate::swept_policy& s : r.sweep) {
        if (std::ranges::find(front, &s) == front.end()) ordered.push_back(&s);
    }
    for (const eo::calibrate::swept_policy* const one : ordered) {
        const eo::calibrate::swept_policy& s = *one;
        const eo::calibrate::paired_evaluation& p = s.measured;
        std::string stops = std::to_string(p.early.stops);
        if (p.early.stops != 0) stops += " (" + percentage(p.stops(r.samples).precision(), 0) + ")";
        const auto cell = [](double value, const std::string& text) {
            return element("td", {{"data-v", fixed_digits(value, 6)}}, text);
        };
        rows += element("tr", {{"class", std::ranges::find(front, &s) != front.end() ? "front" : "off"}},
                        element("th", {{"scope", "row"}}, inline_mark(s.policy) + escape(shown_name(s.policy))) +
                            cell(p.early.layers_skipped(), percentage(p.early.layers_skipped())) +
                            cell(p.decode_speedup(), fixed_digits(p.decode_speedup(), 2) + " (" +
                                                         range_of(s.intervals.decode_speedup, 2) + ")") +
                            cell(p.request_speedup(), fixed_digits(p.request_speedup(), 2)) +
                            cell(p.rouge_l_loss(), percentage(p.rouge_l_loss()) + " (" +
                                                       range_of(s.intervals.rouge_l_loss, 1, 100.0) + ")") +
                            cell(p.agreement(), percentage(p.agreement())) +
                            cell(static_cast<double>(p.early.stops), stops)) +
                "\n";
    }
    std::string head = element("th", {{"class", "first"}}, "policy");
    for (const char* name : {"skipped", "speed", "request", "loss", "agree", "stops (precision)"}) {
        head += element("th", {}, element("button", {{"type", "button"}}, name));
    }
    return section(
        "All policies",
        "skipped: layers; speed: tokens per second of decoding against full depth; request: the same with "
        "the prompt; loss: of ROUGE-L; agree: tokens as at full depth before the first that is not; stops: "
        "completions ended, and how many of them correctly. In brackets: 95\u202f% intervals over texts. Bold: on "
        "the Pareto front.",
        element("details", {},
                element("summary", {}, count_of(r.sweep.size(), "row") + ", the Pareto front first") +
                    element("div", {{"class", "scroll"}},
                            element("table", {{"class", "all"}},
                                    element("thead", {}, element("tr", {}, head)) + element("tbody", {}, rows)))));
}

namespace {

/// Sorts the table by the column whose name was pressed; pressed again, the other way round.
constexpr std::string_view sorting = R"js(
document.querySelectorAll("table.all thead button").forEach(function (button) {
  button.addEventListener("click", function () {
    const head = button.parentNode, column = head.cellIndex, body = head.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") !== "descending";
    head.parentNode.querySelectorAll("th").forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = function (row) { return Number(row.cells[column].dataset.v.replace("\u2212", "-")); };
    Array.from(body.rows)
      .sort(function (a, b) { return (down ? 1 : -1) * (value(b) - value(a)); })
      .forEach(function (row) { body.append(row); });
  });
});
)js";

/// What was run, when, by which version, and on what.
std::string footer(const evaluation_report& r) {
    std::string words = "Measured by earlyout " + std::string(eo::version);
    if (!r.when.empty()) words += " on " + escape(r.when);
    if (!r.machine.empty()) words += ", " + escape(r.machine);
    words += ", " + count_of(r.threads, "thread") + ".";
    if (!r.command.empty()) words = element("p", {}, words) + element("pre", {}, escape(r.command));
    return element("footer", {}, words);
}

}  // namespace

}  // namespace page

namespace {

/// That many of the indices, from the first on in equal steps.
std::vector<std::size_t> spread(const std::vector<std::size_t>& indices, std::size_t count) {
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < count; ++i) chosen.push_back(indices[i * indices.size() / count]);
    return chosen;
}

}  // namespace

const eo::calibrate::swept_policy* winner(const evaluation_report& r, double loss) {
    return r.lacks ? nullptr : eo::calibrate::best_at_loss(r.sweep, loss);
}

const eo::calibrate::swept_policy* policy_to_show(const evaluation_report& r) {
    const eo::calibrate::swept_policy* best = winner(r, 0.011);
    if (best == nullptr) best = eo::calibrate::promising_at_loss(r.sweep, 0.011);
    return best != nullptr ? best : eo::calibrate::fastest(r.sweep);
}

std::vector<shown_completion> completions_to_show(const evaluation_report& r) {
    constexpr std::size_t wanted = 12;
    const eo::calibrate::swept_policy* const chosen = policy_to_show(r);
    if (chosen == nullptr) return {};
    std::vector<std::size_t> same, different;
    for (std::size_t i = 0; i < chosen->measured.early.results.size(); ++i) {
        const bool is_same = chosen->measured.early.results[i].ids == chosen->measured.full.results[i].ids;
        (is_same ? same : different).push_back(i);
    }
    std::size_t of_same = std::min(same.size(), wanted / 2);
    const std::size_t of_different = std::min(different.size(), wanted - of_same);
    of_same = std::min(same.size(), wanted - of_different);
    std::vector<shown_completion> shown;
    for (const std::size_t i : spread(different, of_different)) shown.push_back({chosen, i, {}});
    for (const std::size_t i : spread(same, of_same)) shown.push_back({chosen, i, {}});
    return shown;
}

std::vector<shown_completion> stops_to_show(const evaluation_report& r) {
    constexpr std::size_t wanted = 4;
    const eo::calibrate::swept_policy* best = nullptr;
    double most = -1.0;
    for (const eo::calibrate::swept_policy& s : r.sweep) {
        if (s.measured.early.stops == 0) continue;
        if (const double f1 = s.measured.stops(r.samples).f1(); f1 > most) {
            most = f1;
            best = &s;
        }
    }
    if (best == nullptr || best == policy_to_show(r)) return {};
    std::vector<std::size_t> stopped;
    for (std::size_t i = 0; i < best->measured.early.results.size(); ++i) {
        if (best->measured.early.results[i].finish_reason == eo::finish_reason::stopped_by_gate) stopped.push_back(i);
    }
    std::vector<shown_completion> shown;
    for (const std::size_t i : spread(stopped, std::min(wanted, stopped.size()))) shown.push_back({best, i, {}});
    return shown;
}

std::string make_page(const evaluation_report& r, const std::vector<shown_completion>& shown,
                      eo::calibrate::to_text text) {
    const std::size_t layers = r.observed.accuracy.layers.empty() ? 1 : r.observed.accuracy.layers.back();
    const std::string head =
        element("meta", {{"charset", "utf-8"}}) +
        element("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}}) +
        element("title", {}, "What early exits are worth: " + escape(page::last_parts(r.model))) +
        element("style", {}, page::style_sheet(layers));
    const std::string parts = page::quality_against_speed(r) + page::oracle(r) + page::exit_histograms(r) +
                              page::completions(r, shown, text) + page::reliability_diagrams(r) + page::decisions(r) +
                              page::table_of_policies(r);
    return "<!DOCTYPE html>\n" +
           element("html", {{"lang", "en"}},
                   element("head", {}, head) + "\n" +
                       element("body", {},
                               page::top(r) + element("main", {}, parts) + page::footer(r) +
                                   element("script", {}, page::sorting))) +
           "\n";
}

}  // namespace cli
