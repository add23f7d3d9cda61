// SPDX-License-Identifier: MIT
#include "observe.hpp"

#include <earlyout/calibrate/labels.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/exit/gates/learn_to_exit.hpp>
#include <earlyout/exit/gates/sec_gate.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

namespace cli {

namespace {

namespace calibrate = eo::calibrate;

std::vector<std::size_t> all_layers(const model& m) {
    std::vector<std::size_t> layers(m.network().shape().layers);
    std::iota(layers.begin(), layers.end(), std::size_t{1});
    return layers;
}

/// The gates that were fitted to the model.
struct fitted_gates {
    std::optional<eo::sec_gate> sec;
    std::optional<eo::learn_to_exit> learn_to_exit;
};

const std::vector<float> grid{0.0f, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f, 0.9f, 0.95f, 0.99f, 0.999f};

std::vector<calibrate::decision_sweep> empty_decisions(const fitted_gates& gates) {
    std::vector<calibrate::decision_sweep> made;
    made.emplace_back("margin", "exit", grid);
    made.emplace_back("max-probability", "exit", grid);
    if (gates.learn_to_exit) {
        made.emplace_back("learn-to-exit", "exit",
                          std::vector<float>{0.01f, 0.02f, 0.05f, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.8f});
    }
    if (gates.sec) {
        made.emplace_back("sec", "exit", grid);
        made.emplace_back("sec", "stop", grid);
    }
    return made;
}

/// What each gate would have decided of token i at an exit.
void decide(std::vector<calibrate::decision_sweep>& into, const calibrate::window_observation& window,
            const fitted_gates& gates, std::size_t e, std::size_t i, std::span<const float> hidden) {
    const calibrate::exit_observation& exit = window.exits[e];
    const bool may_leave = calibrate::may_leave(window, e, i, calibrate::label_rule::paper);
    std::size_t next = 0;
    const auto at_least = [](float score) { return [score](float threshold) { return score >= threshold; }; };
    into[next++].add(at_least(exit.margin[i]), may_leave);
    into[next++].add(at_least(exit.max_probability[i]), may_leave);
    if (gates.learn_to_exit) {
        auto& sweep = into[next++];
        if (const auto error = gates.learn_to_exit->predicted_error(exit.layer, hidden)) {
            sweep.add([&](float threshold) { return *error <= threshold; }, may_leave);
        }
    }
    if (gates.sec) {
        const auto p = gates.sec->probabilities(exit.layer, hidden);
        const bool stops = p[0] >= p[1] && p[0] >= p[2], exits = !stops && p[1] >= p[2];
        const bool never =
            calibrate::label_of(window, e, i, calibrate::label_rule::paper) == calibrate::gate_label::stop;
        into[next++].add([&](float threshold) { return exits && p[1] > threshold; }, may_leave);
        into[next++].add([&](float threshold) { return stops && p[0] > threshold; }, never);
    }
}

void add(observation& into, const calibrate::window_observation& window, const fitted_gates& gates) {
    into.accuracy.add(window);
    if (into.exits.empty()) {
        for (const auto& exit : window.exits) into.exits.push_back({exit.layer, {}, {}, {}, {}});
    }
    const std::size_t width = window.exits.front().hidden.size() / window.tokens.size();
    for (std::size_t i = 0; i < window.predictions(); ++i) {
        bool any_right = false;
        for (std::size_t e = 0; e < window.exits.size(); ++e) any_right = any_right || window.right(e, i);
        for (std::size_t e = 0; e < window.exits.size(); ++e) {
            const calibrate::exit_observation& exit = window.exits[e];
            const bool right = window.right(e, i);
            into.exits[e].max_probability.add(exit.max_probability[i], right);
            into.exits[e].margin.add(exit.margin[i], right);
            const auto hidden = std::span(exit.hidden).subspan(i * width, width);
            if (e + 1 != window.exits.size()) decide(into.decisions, window, gates, e, i, hidden);
            if (!gates.sec) continue;
            const auto p = gates.sec->probabilities(exit.layer, hidden);
            into.exits[e].sec_stop.add(p[0], !any_right);
            into.exits[e].sec_exit.add(p[1], right);
        }
    }
}

}  // namespace

void reliability::add(float probability, bool is_true) noexcept {
    const float scaled = std::clamp(probability, 0.0f, 1.0f) * static_cast<float>(parts);
    const auto part = std::min(static_cast<std::size_t>(scaled), parts - 1);
    ++count[part];
    came_true[part] += is_true;
    sum[part] += static_cast<double>(probability);
}

std::size_t reliability::total() const noexcept { return std::accumulate(count.begin(), count.end(), std::size_t{0}); }

double reliability::error() const noexcept {
    double distance = 0.0;
    for (std::size_t part = 0; part < parts; ++part) {
        distance += std::abs(sum[part] - static_cast<double>(came_true[part]));
    }
    return distance / static_cast<double>(std::max<std::size_t>(1, total()));
}

observation observe(const model& m, const eo::any_head& head, const std::vector<calibrate::corpus_text>& texts,
                    std::size_t threads, const std::stop_token& cancel,
                    eo::function_ref<void(std::size_t tokens)> progress) {
    eo::thread_pool pool(threads);
    calibrate::collector collector(m.network(), all_layers(m), std::min<std::size_t>(256, m.network().shape().context),
                                   pool, head);
    fitted_gates gates;
    if (m.has_exits()) {
        const eo::exit_weights& exits = m.exits();
        if (exits.has_gate() && exits.gate().outputs == 3) gates.sec.emplace(exits.gate());
        const bool has_maps = std::ranges::any_of(exits.layers(), [&](std::size_t layer) {
            return exits.find("learn_to_exit." + std::to_string(layer) + ".weight") != nullptr;
        });
        if (has_maps) gates.learn_to_exit.emplace(eo::weights_by_layer(exits, "learn_to_exit"));
    }
    observation all;
    all.has_sec = gates.sec.has_value();
    all.decisions = empty_decisions(gates);
    (void)collector.run(
        texts, [&](const calibrate::window_observation& window) { add(all, window, gates); }, cancel, progress);
    return all;
}

std::vector<std::vector<eo::token_id>> answers_of_layers(const model& m, const eo::any_head& head,
                                                         std::span<const eo::token_id> prompt,
                                                         std::span<const eo::token_id> produced) {
    std::vector<eo::token_id> tokens(prompt.begin(), prompt.end());
    tokens.insert(tokens.end(), produced.begin(), produced.end());
    const std::size_t context = m.network().shape().context;
    const std::size_t used = std::min(tokens.size(), context);
    if (used < 2 || used <= produced.size()) return {};
    eo::thread_pool pool(1);
    calibrate::collector collector(m.network(), all_layers(m), used, pool, head);
    const auto window = collector.observe(std::span(tokens).last(used));
    std::vector<std::vector<eo::token_id>> answers(produced.size() + 1);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        for (const auto& exit : window.exits) answers[i].push_back(exit.argmax[used - produced.size() - 1 + i]);
    }
    return answers;
}

}  // namespace cli
