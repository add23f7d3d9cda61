// SPDX-License-Identifier: MIT
#include "sweep.hpp"

#include <algorithm>
#include <charconv>

namespace cli {

namespace {

std::string number(float value) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    return {text, end};
}

/// From safe to bold.
std::vector<float> grid(const std::string& gate) {
    if (gate == "sec") return {0.999f, 0.99f, 0.95f, 0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.0f};  // as the SEC paper
    return {0.95f, 0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.4f, 0.3f};
}

}  // namespace

std::vector<exit_options> make_sweep(const model& m, const sweep_options& o) {
    std::vector<std::string> gates = o.gates;
    if (gates.empty()) {
        gates = {"fixed", "margin"};
        if (m.has_exits() && m.exits().has_gate()) gates.push_back("sec");
    }
    const std::size_t depth = m.network().shape().layers;
    std::vector<exit_options> all;
    for (const std::string& gate : gates) {
        for (const std::string& kv : o.kv) {
            exit_options config;
            config.gate = gate;
            config.kv = kv;
            config.prefill = o.prefill;
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
            for (const float threshold : o.thresholds.empty() ? grid(gate) : o.thresholds) {
                config.threshold = threshold;
                all.push_back(config);
            }
            if (gate != "sec") continue;
            config.threshold = 1.0f;
            for (const float threshold : o.thresholds.empty() ? grid(gate) : o.thresholds) {
                config.stop_threshold = threshold;
                all.push_back(config);
            }
        }
    }
    for (const exit_options& config : all) (void)make_session(m, config, {});  // refuses before anything is measured
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
        name += (c.gate == "sec" ? " exit > " : " >= ") + number(*c.threshold);
    }
    if (c.check_margin && *c.check_margin > 0.0f) name += ", margin >= " + number(*c.check_margin);
    return name + ", " + c.kv + (c.prefill == "lazy" ? ", lazy" : "");
}

json to_json(const exit_options& c, const std::vector<std::size_t>& layers) {
    json object{{"gate", c.gate}, {"layers", layers}, {"kv", c.kv}, {"prefill", c.prefill}};
    if (c.threshold) object["threshold"] = *c.threshold;
    if (c.stop_threshold) object["stop_threshold"] = *c.stop_threshold;
    return object;
}

const swept* best_at_loss(const std::vector<swept>& all, double loss) {
    const swept* best = nullptr;
    double speedup = 1.0;
    for (const swept& s : all) {
        if (s.measured.early.stops != 0 || s.measured.rouge_l_loss() > loss) continue;
        if (const double found = s.measured.decode_speedup(); found > speedup) {
            speedup = found;
            best = &s;
        }
    }
    return best;
}

}  // namespace cli
