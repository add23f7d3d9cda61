// SPDX-License-Identifier: MIT
#include "observe.hpp"

#include <earlyout/core/thread_pool.hpp>
#include <earlyout/exit/sec_gate.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace cli {

namespace {

namespace calibrate = eo::calibrate;

std::vector<std::size_t> all_layers(const model& m) {
    std::vector<std::size_t> layers(m.network().shape().layers);
    std::iota(layers.begin(), layers.end(), std::size_t{1});
    return layers;
}

void add(observation& into, const calibrate::window_observation& window, const std::optional<eo::sec_gate>& gate) {
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
            if (!gate) continue;
            const auto p = gate->probabilities(exit.layer, std::span(exit.hidden).subspan(i * width, width));
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
    std::optional<eo::sec_gate> gate;
    if (m.has_exits() && m.exits().has_gate() && m.exits().gate().outputs == 3) gate.emplace(m.exits().gate());
    observation all;
    all.has_sec = gate.has_value();
    (void)collector.run(
        texts, [&](const calibrate::window_observation& window) { add(all, window, gate); }, cancel, progress);
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
