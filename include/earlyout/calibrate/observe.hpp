// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_OBSERVE_HPP
#define EARLYOUT_CALIBRATE_OBSERVE_HPP

#include <earlyout/calibrate/candidates.hpp>
#include <earlyout/calibrate/collect.hpp>
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/decisions.hpp>
#include <earlyout/calibrate/exit_accuracy.hpp>
#include <earlyout/calibrate/labels.hpp>
#include <earlyout/calibrate/monitor.hpp>
#include <earlyout/calibrate/reliability.hpp>
#include <earlyout/calibrate/shards.hpp>
#include <earlyout/calibrate/workers.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/exit/any_head.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/generate/make_session.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Reliability of one exit's confidence measures, against the true next token.
struct exit_reliability {
    std::size_t layer = 0;
    reliability max_probability;  ///< as a probability that its arg-max is correct
    reliability margin;           ///< likewise; a margin is not a probability, but gates read it
    reliability sec_exit;         ///< the Stop&Exit gate's p(exit), as a probability that its arg-max is correct
    reliability sec_stop;         ///< p(stop), as a probability that no exit's arg-max is correct

    exit_reliability& operator+=(const exit_reliability& more) {
        max_probability += more.max_probability;
        margin += more.margin;
        sec_exit += more.sec_exit;
        sec_stop += more.sec_stop;
        return *this;
    }
    void archive(auto& a) { a(layer, max_probability, margin, sec_exit, sec_stop); }
};

/// Observations of every exit on the true text.
struct observation {
    exit_accuracy accuracy;
    std::vector<exit_reliability> exits;  ///< of all layers, full depth included
    bool has_sec = false;
    /// Of gates that read a confidence or the hidden state, at all layers below full depth. An exit is correct from the
    /// first layer whose arg-max is correct on, a stop where no layer's is (the SEC paper's labels).
    std::vector<decision_sweep> decisions;

    /// Adds observations of other texts.
    /// @throws error (mismatch) for different exits or gates
    observation& operator+=(const observation& more) {
        if (more.exits.empty()) return *this;
        if (exits.empty()) return *this = more;
        accuracy += more.accuracy;
        if (decisions.size() != more.decisions.size()) {
            fail(errc::mismatch, "merge: expected ", decisions.size(), " decisions, found ", more.decisions.size());
        }
        for (std::size_t e = 0; e < exits.size(); ++e) exits[e] += more.exits[e];
        for (std::size_t d = 0; d < decisions.size(); ++d) decisions[d] += more.decisions[d];
        return *this;
    }
    void archive(auto& a) { a(accuracy, exits, has_sec, decisions); }
};

namespace detail {

/// Evaluates every threshold of a gate that reads only the hidden state.
class hidden_state_gate final : public logit_source {
public:
    hidden_state_gate(const gate_entry& entry, std::size_t parameter, const exit_weights& exits, std::size_t d_model)
        : exits_(exits), signals_(d_model, 1, 0, no_signals) {
        for (const float value : fine_grid_of(entry.info.parameters[parameter])) {
            thresholds_.push_back(value);
            std::vector<float> values;
            for (const auto& given : with_parameter(entry, parameter, value).values) values.push_back(*given);
            gates_.emplace_back(entry.make(values, &exits_));
        }
    }

    [[nodiscard]] const std::vector<float>& thresholds() const noexcept { return thresholds_; }
    /// Returns whether the gate takes the decision at its i-th threshold.
    [[nodiscard]] bool decides(std::size_t i, decision wanted, std::size_t layer, std::span<const float> hidden) {
        signals_.start_token(0);
        signals_.begin_exit(layer, hidden, *this);
        composed_gate::part::token_state token{};
        auto sequence = gates_[i].start_sequence();
        return gates_[i](signal_view<all_signals>(signals_), token, sequence) == wanted;
    }

    void logits(std::size_t, std::span<const float>, std::span<float>) override {}
    kernels::logit_summary summary(std::size_t, std::span<const float>) override { return {}; }
    void set_shortlist(std::span<const token_id>) override {}
    void shortlist_logits(std::size_t, std::span<const float>, std::span<float>) override {}

private:
    const exit_weights& exits_;
    exit_signals signals_;
    std::vector<float> thresholds_;
    std::vector<composed_gate::part> gates_;
};

/// Adds windows to an observation.
class observer {
public:
    observer(const exit_weights* exits, std::size_t d_model) {
        into_.decisions.emplace_back(std::string(margin::info.name), "exit", fine_grid_of(margin::parameters[0]));
        into_.decisions.emplace_back(std::string(max_probability::info.name), "exit",
                                     fine_grid_of(max_probability::parameters[0]));
        if (exits == nullptr) return;
        for (const gate_entry& entry : gate_catalogue()) {
            if (!entry.is_fitted() || !exits->has_tensors_of(entry.info.name)) continue;
            if (!(entry.signals == signal_set(signal::hidden_state))) continue;
            for (std::size_t p = 0; p < entry.info.parameters.size(); ++p) {
                const bool stops = entry.info.parameters[p].name == "stop";
                gates_.push_back({hidden_state_gate(entry, p, *exits, d_model), stops});
                into_.decisions.emplace_back(std::string(entry.info.name), stops ? "stop" : "exit",
                                             gates_.back().gate.thresholds());
            }
        }
        if (exits->find("sec.weight") != nullptr) sec_.emplace(exits->linear("sec"));
        into_.has_sec = sec_.has_value();
    }

    void add(const window_observation& window) {
        into_.accuracy.add(window);
        if (into_.exits.empty()) {
            for (const auto& exit : window.exits) into_.exits.push_back({exit.layer, {}, {}, {}, {}});
        }
        const std::size_t width = window.exits.front().hidden.size() / window.tokens.size();
        for (std::size_t i = 0; i < window.predictions(); ++i) {
            bool any_right = false;
            for (std::size_t e = 0; e < window.exits.size(); ++e) any_right = any_right || window.right(e, i);
            for (std::size_t e = 0; e < window.exits.size(); ++e) {
                const exit_observation& exit = window.exits[e];
                const bool right = window.right(e, i);
                into_.exits[e].max_probability.add(static_cast<double>(exit.max_probability[i]), right);
                into_.exits[e].margin.add(static_cast<double>(exit.margin[i]), right);
                const auto hidden = std::span(exit.hidden).subspan(i * width, width);
                if (e + 1 != window.exits.size()) decide(window, e, i, hidden);
                if (!sec_) continue;
                const auto p = sec_->probabilities(exit.layer, hidden);
                into_.exits[e].sec_stop.add(static_cast<double>(p[0]), !any_right);
                into_.exits[e].sec_exit.add(static_cast<double>(p[1]), right);
            }
        }
    }

    [[nodiscard]] observation take() { return std::move(into_); }

private:
    struct followed_gate {
        hidden_state_gate gate;
        bool stops;
    };

    void decide(const window_observation& window, std::size_t e, std::size_t i, std::span<const float> hidden) {
        const exit_observation& exit = window.exits[e];
        const bool may_exit = is_correct_exit(window, e, i, label_rule::paper);
        const bool never = label_of(window, e, i, label_rule::paper) == gate_label::stop;
        const auto at_least = [](float score) { return [score](float threshold) { return score >= threshold; }; };
        into_.decisions[0].add(at_least(exit.margin[i]), may_exit);
        into_.decisions[1].add(at_least(exit.max_probability[i]), may_exit);
        for (std::size_t g = 0; g < gates_.size(); ++g) {
            auto& [gate, stops] = gates_[g];
            std::size_t next = 0;
            into_.decisions[2 + g].add(
                [&](float) {
                    return gate.decides(next++, stops ? decision::stop : decision::exit, exit.layer, hidden);
                },
                stops ? never : may_exit);
        }
    }

    observation into_;
    std::vector<followed_gate> gates_;
    std::optional<sec_gate> sec_;
};

[[nodiscard]] inline std::vector<std::size_t> all_layers(std::size_t depth) {
    std::vector<std::size_t> layers(depth);
    std::iota(layers.begin(), layers.end(), std::size_t{1});
    return layers;
}

}  // namespace detail

/// Observes every layer's exit on true texts.
/// @param head computes the exits' logits
/// @return what was observed until it was cancelled
template <model Model>
[[nodiscard]] observation observe(const Model& model, const any_head& head, const std::vector<corpus_text>& texts,
                                  executor& on, const monitor& watch = {}) {
    const model_shape& shape = network_of(model).shape();
    collector collect(network_of(model), detail::all_layers(shape.layers), std::min<std::size_t>(256, shape.context),
                      on, head);
    std::size_t all = 0;
    for (const corpus_text& text : texts) all += text.ids.size();
    std::size_t before = 0;
    observation merged;
    const auto observe_shard = [&](std::size_t shard) {
        detail::observer seen(earlyout::detail::find_exits(model), shape.d_model);
        const std::span<const corpus_text> part = shard_of(std::span(texts), shard);
        (void)collect.run(
            part, [&](const window_observation& window) { seen.add(window); }, watch.cancel,
            [&](std::size_t done) { watch.report("every exit on the true text", before + done, all); });
        for (const corpus_text& text : part) before += text.ids.size();
        return seen.take();
    };
    for_each_shard(watch.among, observe_shard, [&](std::size_t, const observation& part) { merged += part; });
    return merged;
}

/// Returns what every layer would have predicted at each new token, and after the last, given the tokens before it:
/// [new + 1][layer]. Tokens that do not fit the model's context are dropped at the front.
template <model Model>
[[nodiscard]] std::vector<std::vector<token_id>> predictions_of_layers(const Model& model, const any_head& head,
                                                                       std::span<const token_id> prompt,
                                                                       std::span<const token_id> produced) {
    std::vector<token_id> tokens(prompt.begin(), prompt.end());
    tokens.insert(tokens.end(), produced.begin(), produced.end());
    const std::size_t used = std::min(tokens.size(), network_of(model).shape().context);
    if (used < 2 || used <= produced.size()) return {};
    inline_executor on;
    collector collect(network_of(model), detail::all_layers(network_of(model).shape().layers), used, on, head);
    const auto window = collect.observe(std::span(tokens).last(used));
    std::vector<std::vector<token_id>> predicted(produced.size() + 1);
    for (std::size_t i = 0; i < predicted.size(); ++i) {
        for (const auto& exit : window.exits) predicted[i].push_back(exit.argmax[used - produced.size() - 1 + i]);
    }
    return predicted;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
