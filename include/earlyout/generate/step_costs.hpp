// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_STEP_COSTS_HPP
#define EARLYOUT_GENERATE_STEP_COSTS_HPP

#include <earlyout/core/config.hpp>
#include <earlyout/generate/completion.hpp>
#include <earlyout/generate/policy_spec.hpp>
#include <earlyout/generate/run_stats.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Where costs were measured: they hold there alone.
struct cost_conditions {
    std::string processor;        ///< see processor_name()
    std::string instruction_set;  ///< that the program was compiled for
    std::string weight_format;
    std::size_t threads = 1;

    friend bool operator==(const cost_conditions&, const cost_conditions&) = default;
};

/// Seconds that the parts of a step take on one machine. See measure_step_costs.
struct step_costs {
    cost_conditions measured_on;
    std::size_t position = 0;            ///< of the measured tokens: attention reads the entries before it
    std::vector<double> layer;           ///< [m - 1]: m tokens through one layer, mean over the layers
    std::vector<double> output;          ///< [m - 1]: the logits of m rows, and their arg-max
    double keys_and_values = 0.0;        ///< those of one token at one layer, without the rest of it
    double token = 0.0;                  ///< everything else that a step does for one token
    std::map<std::string, double> gate;  ///< one evaluation by the gate's name, without the logits that it reads

    /// Returns c(m), m = 1 ..: the cost of m tokens that pass all layers and the output together, relative to one. What
    /// draft_options::block_costs takes.
    [[nodiscard]] std::vector<double> blocks(std::size_t layers) const {
        std::vector<double> costs;
        for (std::size_t m = 0; m < std::min(layer.size(), output.size()); ++m) {
            const auto seconds = [&](std::size_t i) { return static_cast<double>(layers) * layer[i] + output[i]; };
            costs.push_back(seconds(m) / seconds(0));
        }
        return costs;
    }
    /// Returns what each further token of a block adds to a layer's seconds.
    [[nodiscard]] double layer_slope() const noexcept {
        return layer.size() < 2 ? 0.0
                                : std::max(0.0, (layer.back() - layer.front()) / static_cast<double>(layer.size() - 1));
    }
};

/// Archives costs, for bytes.
template <class Archive>
void archive(Archive& a, cost_conditions& c) {
    a(c.processor, c.instruction_set, c.weight_format, c.threads);
}
template <class Archive>
void archive(Archive& a, step_costs& c) {
    std::vector<std::string> names;
    std::vector<double> seconds;
    for (const auto& [name, of] : c.gate) {
        names.push_back(name);
        seconds.push_back(of);
    }
    a(c.measured_on, c.position, c.layer, c.output, c.keys_and_values, c.token, names, seconds);
    for (std::size_t i = 0; i < std::min(names.size(), seconds.size()); ++i) c.gate[names[i]] = seconds[i];
}

/// Counts of what decoding ran, after the first prediction of each completion: the factors of step_costs.
struct step_work {
    double tokens = 0.0;           ///< predictions
    double layers = 0.0;           ///< layers that ran, with one token or several
    double more_tokens = 0.0;      ///< layer-tokens that ran beside another token of the same layer
    double keys_and_values = 0.0;  ///< layer-tokens of which only those were computed
    double outputs = 0.0;          ///< rows of logits; of a shortlist its share of the vocabulary
    double gates = 0.0;            ///< evaluations of the policy's gates

    step_work& operator+=(const step_work& more) noexcept {
        tokens += more.tokens;
        layers += more.layers;
        more_tokens += more.more_tokens;
        keys_and_values += more.keys_and_values;
        outputs += more.outputs;
        gates += more.gates;
        return *this;
    }
    /// Returns true if no count per token exceeds the other's.
    [[nodiscard]] bool is_within(const step_work& other) const noexcept {
        const auto within = [&](double step_work::*count) {
            return this->*count * other.tokens <= other.*count * tokens;
        };
        return within(&step_work::layers) && within(&step_work::more_tokens) && within(&step_work::keys_and_values) &&
               within(&step_work::outputs) && within(&step_work::gates);
    }
    void archive(auto& a) { a(tokens, layers, more_tokens, keys_and_values, outputs, gates); }
    friend bool operator==(const step_work&, const step_work&) = default;
};

/// Counts what a completion ran under a policy without drafts.
/// @param vocab of the model: a shortlist of n tokens counts n / vocab of an output
[[nodiscard]] inline step_work work_of(const completion& done, const policy_spec& policy, std::size_t vocab) {
    const run_stats& s = done.stats;
    const std::size_t predictions = s.predictions();
    if (predictions < 2) return {};
    const std::size_t first = done.exit_layers.empty() ? s.stop_layer : done.exit_layers.front();
    step_work work;
    work.tokens = static_cast<double>(predictions - 1);
    for (std::size_t l = 0; l < s.exit_histogram.size(); ++l) {
        work.layers += static_cast<double>(l * s.exit_histogram[l]);
    }
    work.layers -= static_cast<double>(first);
    work.more_tokens = std::max(0.0, static_cast<double>(s.decode.layer_tokens) - work.layers);
    if (policy.cache == "propagate") work.keys_and_values = work.tokens * static_cast<double>(s.layers) - work.layers;
    work.outputs = s.head_evaluations > 1 ? static_cast<double>(s.head_evaluations - 1) : 0.0;
    work.outputs += static_cast<double>(s.shortlist_evaluations) * static_cast<double>(policy.shortlist.tokens) /
                    static_cast<double>(std::max<std::size_t>(1, vocab));
    work.gates = static_cast<double>(s.gate_evaluations);
    return work;
}

/// Returns the seconds that work takes.
/// @param policy names the gates that are evaluated together; one whose cost was not measured counts nothing
[[nodiscard]] inline double seconds_of(const step_work& work, const step_costs& costs, const policy_spec& policy) {
    double gates = 0.0;
    for (const auto& chain : policy.gates) {
        for (const gate_spec& gate : chain) {
            const auto found = costs.gate.find(gate.name);
            if (found != costs.gate.end()) gates += found->second;
        }
    }
    const auto one = [](const std::vector<double>& of) { return of.empty() ? 0.0 : of.front(); };
    return work.tokens * costs.token + work.layers * one(costs.layer) + work.more_tokens * costs.layer_slope() +
           work.keys_and_values * costs.keys_and_values + work.outputs * one(costs.output) + work.gates * gates;
}

/// Returns tokens per second relative to full depth.
/// @param layers of the model
[[nodiscard]] inline double speedup_of(const step_work& work, const step_costs& costs, const policy_spec& policy,
                                       std::size_t layers) {
    const step_work full{.tokens = 1.0, .layers = static_cast<double>(layers), .outputs = 1.0};
    const double seconds = seconds_of(work, costs, policy);
    return seconds <= 0.0 ? 1.0 : seconds_of(full, costs, {}) * work.tokens / seconds;
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
