// SPDX-License-Identifier: MIT
#include "sweep.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace cli {

namespace {

std::string number(float value) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    return {text, end};
}

/// "2,4-8"
std::string ranges(const std::vector<std::size_t>& layers) {
    std::string text;
    for (std::size_t first = 0; first < layers.size();) {
        std::size_t last = first;
        while (last + 1 < layers.size() && layers[last + 1] == layers[last] + 1) ++last;
        if (last < first + 2) last = first;  // two are written as such
        text.append(text.empty() ? "" : ",").append(std::to_string(layers[first]));
        if (last != first) text.append("-").append(std::to_string(layers[last]));
        first = last + 1;
    }
    return text;
}

/// When a sweep that names no gates tries one.
enum class tried { always, when_asked, when_fitted };

struct gate_row {
    const char* name;
    const char* comparison;   ///< between its name and its threshold
    std::vector<float> grid;  ///< from safe to bold
    tried by_default = tried::when_asked;
    const char* tensors = "";  ///< how the names of those begin that make it fitted
};

const std::vector<gate_row>& gate_rows() {
    static const std::vector<float> shares{0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.4f, 0.3f, 0.2f};
    static const std::vector<gate_row> rows{
        {"fixed", "after layer", {}, tried::always},
        {"margin", ">=", shares, tried::always},
        {"max-probability", ">=", shares},
        {"entropy", "<=", {0.05f, 0.1f, 0.2f, 0.4f, 0.7f, 1.0f, 1.5f, 2.0f}},
        {"saturation", ">=", {0.99f, 0.98f, 0.95f, 0.9f, 0.85f, 0.8f, 0.7f, 0.6f}},
        {"patience", ">=", {}},
        {"learn-to-exit", "<=", {0.02f, 0.05f, 0.1f, 0.2f, 0.3f, 0.4f, 1.0f}, tried::when_fitted, "learn_to_exit."},
        {"jei-dnn", ">=", {0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.4f, 0.3f}, tried::when_fitted, "jei_dnn."},
        {"sec",
         ">",
         {0.999f, 0.99f, 0.95f, 0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.0f},  // as the SEC paper
         tried::when_fitted,
         "gate."},
    };
    return rows;
}

const gate_row& row_of(const std::string& gate) {
    const auto found = std::ranges::find(gate_rows(), gate, &gate_row::name);
    if (found == gate_rows().end()) eo::fail(eo::errc::invalid_argument, "--gates: no gate is called ", gate);
    return *found;
}

bool is_fitted(const model& m, const gate_row& row) {
    return m.has_exits() && std::ranges::any_of(m.exits().tensors(), [&](const auto& tensor) {
               return tensor.first.starts_with(row.tensors);
           });
}

std::vector<std::string> default_gates(const model& m) {
    std::vector<std::string> gates;
    for (const gate_row& row : gate_rows()) {
        if (row.by_default == tried::always || (row.by_default == tried::when_fitted && is_fitted(m, row))) {
            gates.emplace_back(row.name);
        }
    }
    return gates;
}

/// Of patience: as many further exits as there can be at most, then ever fewer.
std::vector<float> whole_numbers_below(std::size_t exits) {
    std::vector<float> grid;
    for (std::size_t further = std::clamp<std::size_t>(exits, 2, 9) - 1; further >= 1; --further) {
        grid.push_back(static_cast<float>(further));
    }
    return grid;
}

std::vector<float> thresholds(const model& m, const sweep_options& o, const exit_options& config) {
    if (!o.thresholds.empty()) return o.thresholds;
    if (config.gate == "patience") return whole_numbers_below(exit_layers(m, config).size());
    return row_of(config.gate).grid;
}

/// True where somebody could be asked about a shortlist: gates that look at an exit's answer, with a later exit or full
/// depth to answer from it.
bool can_shorten(const model& m, const exit_options& c) {
    const bool reads = c.gate == "margin" || c.gate == "max-probability" || c.gate == "entropy" ||
                       c.gate == "patience" || (c.gate == "learn-to-exit" && c.check_margin.value_or(0.0f) > 0.0f);
    return reads && (exit_layers(m, c).size() > 1 || c.shortlist_reach == "full-depth");
}

/// Each of these with each size of shortlist.
std::vector<exit_options> with_shortlists(const model& m, const sweep_options& o,
                                          const std::vector<exit_options>& all) {
    std::vector<exit_options> made;
    for (exit_options config : all) {
        config.shortlist_reach = o.shortlist_reach;
        bool tried_without = false;
        for (const std::size_t tokens : o.shortlists) {
            config.shortlist = can_shorten(m, config) ? tokens : 0;
            if (config.shortlist == 0 && std::exchange(tried_without, true)) continue;
            made.push_back(config);
        }
    }
    return made;
}

/// What is tried of a gate beside its thresholds. Margins are asked after the usual exits and after the first of
/// them alone: an answer that is not taken costs as much as several layers of a small model.
std::vector<exit_options> variants(const model& m, const sweep_options& o, exit_options config) {
    std::vector<exit_options> made;
    if (config.gate == "learn-to-exit") {
        for (const float margin : o.check_margins) {
            config.check_margin = margin;
            made.push_back(config);
        }
        return made;
    }
    made.push_back(config);
    if (config.gate == "margin" && config.layers.empty()) {
        config.layers = {exit_layers(m, config).front()};
        made.push_back(config);
    }
    return made;
}

/// Every cache policy, with nothing else chosen.
std::vector<exit_options> cache_policies(const sweep_options& o) {
    std::vector<exit_options> made;
    for (const std::string& kv : o.kv) {
        exit_options config;
        config.kv = kv;
        if (kv != "defer") {
            made.push_back(config);
            continue;
        }
        config.prefill = o.prefill;
        for (const std::size_t cap : o.defer_caps) {
            config.defer_cap = cap;
            made.push_back(config);
        }
    }
    return made;
}

/// Sun et al., ICSE 2024: untied heads, one linear gate, also asked after the last layer, where it may stop; skipped
/// layers' keys and values propagated; thresholds of exit and of stop swept one at a time, the other off. Prompt and
/// first token run at full depth, as with every eager prefill.
sweep_options paper(const model& m, sweep_options o) {
    o.gates = {"sec"};
    o.kv = {"propagate"};
    o.prefill = "eager";
    o.head = "own";
    if (o.layers.empty()) {
        o.layers.assign(m.exits().layers().begin(), m.exits().layers().end());
        o.layers.push_back(m.network().shape().layers);
    }
    return o;
}

/// Texts of the same length, and not just full depth by another name, whose speed differs by chance alone.
bool is_comparable(const swept& s) { return s.measured.early.stops == 0 && s.measured.early.layers_skipped() > 0.0; }

}  // namespace

std::vector<std::string> gates_to_sweep() {
    std::vector<std::string> names;
    for (const gate_row& row : gate_rows()) names.emplace_back(row.name);
    return names;
}

std::vector<exit_options> make_sweep(const model& m, const sweep_options& asked) {
    const sweep_options o = asked.paper ? paper(m, asked) : asked;
    const std::vector<std::string> gates = o.gates.empty() ? default_gates(m) : o.gates;
    const std::size_t depth = m.network().shape().layers;
    std::vector<exit_options> all;
    for (const std::string& gate : gates) {
        for (const exit_options& cache : cache_policies(o)) {
            exit_options config = cache;
            config.gate = gate;
            config.head = head_name(m, o.head);
            config.layers = o.layers;
            if (gate == "fixed") {
                for (std::size_t layer = depth - 1; layer >= 1; --layer) {
                    if (!o.layers.empty() && std::ranges::find(o.layers, layer) == o.layers.end()) continue;
                    config.layers = {layer};
                    all.push_back(config);
                }
                continue;
            }
            if (gate == "sec") config.stop_threshold = 1.0f;  // one threshold at a time, the other off
            for (const exit_options& variant : with_shortlists(m, o, variants(m, o, config))) {
                for (const float threshold : thresholds(m, o, variant)) {
                    if (variant.check_margin == 0.0f && threshold >= 1.0f) continue;  // nothing would hold it back
                    all.push_back(variant);
                    all.back().threshold = threshold;
                }
            }
            if (gate != "sec") continue;
            config.threshold = 1.0f;
            for (const float threshold : thresholds(m, o, config)) {
                config.stop_threshold = threshold;
                all.push_back(config);
            }
        }
    }
    for (const exit_options& config : all) {
        (void)make_session(m, config, {}, {});  // refuses before anything is measured
    }
    return all;
}

std::string name_of(const exit_options& c) {
    if (c.gate == "none") return "full depth";
    std::string name = c.gate;
    if (c.gate == "fixed") {
        name += " after layer " + std::to_string(c.layers.front());
    } else if (c.gate == "sec" && c.threshold == 1.0f && c.stop_threshold) {
        name += " stop > " + number(*c.stop_threshold);
    } else if (c.threshold) {
        name +=
            (c.gate == "sec" ? " exit " : " ") + std::string(row_of(c.gate).comparison) + " " + number(*c.threshold);
    }
    if (c.check_margin && *c.check_margin > 0.0f) name += ", margin >= " + number(*c.check_margin);
    if (c.head == "own" || c.head == "adapter") name += ", " + c.head + " heads";
    if (c.gate != "fixed" && !c.layers.empty()) {
        name += " after " + ranges(c.layers);
    }
    if (c.shortlist != 0) name += ", shortlist " + std::to_string(c.shortlist);
    if (c.shortlist != 0 && c.shortlist_reach == "full-depth") name += " to the top";
    name += ", " + c.kv;
    if (c.defer_cap != 0) name += " up to " + std::to_string(c.defer_cap);
    return name + (c.prefill == "lazy" ? ", lazy" : "");
}

json to_json(const exit_options& c, const std::vector<std::size_t>& layers) {
    json object{{"gate", c.gate}, {"layers", layers}, {"kv", c.kv}, {"prefill", c.prefill}, {"head", c.head}};
    if (c.threshold) object["threshold"] = *c.threshold;
    if (c.defer_cap != 0) object["defer_cap"] = c.defer_cap;
    if (c.shortlist != 0) {
        object["shortlist"] = c.shortlist;
        object["shortlist_reach"] = c.shortlist_reach;
    }
    if (c.check_margin) object["check_margin"] = *c.check_margin;
    if (c.stop_threshold) object["stop_threshold"] = *c.stop_threshold;
    return object;
}

const swept* best_at_loss(const std::vector<swept>& all, double loss) {
    const swept* best = nullptr;
    double speedup = 1.0;
    for (const swept& s : all) {
        if (!is_comparable(s) || s.measured.rouge_l_loss() > loss) continue;
        if (const double found = s.measured.decode_speedup(); found > speedup) {
            speedup = found;
            best = &s;
        }
    }
    return best;
}

const swept* fastest(const std::vector<swept>& all) {
    const swept* best = nullptr;
    for (const swept& s : all) {
        if (!is_comparable(s)) continue;
        if (best == nullptr || s.measured.decode_speedup() > best->measured.decode_speedup()) best = &s;
    }
    return best;
}

const swept* best_stop_at_precision(const std::vector<swept>& all, const std::vector<eo::calibrate::sample>& samples,
                                    double precision) {
    const swept* best = nullptr;
    for (const swept& s : all) {
        if (s.measured.early.stops == 0 || s.measured.stops(samples).precision() < precision) continue;
        if (best == nullptr || s.measured.work_saved() > best->measured.work_saved()) best = &s;
    }
    return best;
}

std::vector<const swept*> pareto_front(const std::vector<swept>& all) {
    std::vector<const swept*> front;
    for (const swept& s : all) {
        if (is_comparable(s) && s.measured.decode_speedup() > 1.0) front.push_back(&s);
    }
    std::ranges::sort(front, [](const swept* a, const swept* b) {
        return a->measured.decode_speedup() > b->measured.decode_speedup();
    });
    double least = 2.0;  // loss of the faster ones
    std::erase_if(front, [&](const swept* s) {
        const double loss = s->measured.rouge_l_loss();
        if (loss >= least) return true;
        least = loss;
        return false;
    });
    std::ranges::reverse(front);
    return front;
}

}  // namespace cli
