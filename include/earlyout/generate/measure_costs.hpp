// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_MEASURE_COSTS_HPP
#define EARLYOUT_GENERATE_MEASURE_COSTS_HPP

#include <earlyout/core/config.hpp>
#include <earlyout/core/processor_name.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/exit/logit_source.hpp>
#include <earlyout/exit/signals.hpp>
#include <earlyout/generate/any_session.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/model.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/session_executors.hpp>
#include <earlyout/generate/step_costs.hpp>
#include <earlyout/kernels/logit_summary.hpp>
#include <earlyout/nn/kv_cache.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

struct cost_options {
    session_options session{};  ///< of the sessions that will run: threads, format of keys and values
    double seconds = 0.1;       ///< to measure for; never fewer than two rounds
    std::size_t position = 64;  ///< of the measured tokens
    std::size_t max_block = 8;  ///< tokens of the largest block
};

/// Returns the conditions under which measure_step_costs would measure.
template <model Model>
[[nodiscard]] cost_conditions conditions_of(const Model& model, const session_options& options = {}) {
    const std::size_t threads = options.run_on != nullptr ? options.run_on->concurrency() : options.threads;
    return {processor_name(), instruction_set, network_of(model).weight_format(), threads};
}

namespace detail {

/// Returns the middle of some values, of an even number the upper one.
[[nodiscard]] inline double middle_of(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

/// Logits that were computed before: what is left of a gate's cost is its own.
class stored_logits final : public logit_source {
public:
    explicit stored_logits(std::span<const float> logits) : logits_(logits) {}
    void logits(std::size_t, std::span<const float>, std::span<float> out) override {
        std::ranges::copy(logits_, out.begin());
    }
    kernels::logit_summary summary(std::size_t, std::span<const float>) override { return {}; }
    void set_shortlist(std::span<const token_id>) override {}
    void shortlist_logits(std::size_t, std::span<const float>, std::span<float>) override {}

private:
    std::span<const float> logits_;
};

/// Measures, in turns, what each part of a step takes.
template <class Model>
class cost_meter {
    using clock = std::chrono::steady_clock;

public:
    cost_meter(const Model& model, const cost_options& options)
        : model_(model),
          net_(network_of(model)),
          o_(options),
          blocks_(std::clamp<std::size_t>(options.max_block, 1, std::max<std::size_t>(1, net_.shape().context / 4))),
          position_(std::clamp<std::size_t>(options.position, 1, std::max<std::size_t>(1, net_.shape().context / 2))),
          executors_(options.session),
          context_(net_, std::max<std::size_t>(blocks_, 16), executors_.decode()),
          cache_(net_.shape(), position_ + blocks_, options.session.kv),
          rows_(std::max<std::size_t>(blocks_, 16) * net_.shape().d_model),
          logits_(net_.shape().vocab),
          tokens_(std::max<std::size_t>(blocks_, 16)),
          summaries_(blocks_) {}

    [[nodiscard]] step_costs run() {
        for (std::size_t at = 0; at < position_; at += tokens_.size()) {
            layers(at, std::min(tokens_.size(), position_ - at));
        }
        session_options small = o_.session;
        small.capacity = std::min(net_.shape().context, position_ + max_steps);
        auto session = make_session(model_, policy_spec{}, small);
        const auto begun = clock::now();
        std::vector<std::vector<double>> layer(blocks_), output(blocks_);
        std::vector<double> keys_and_values, step;
        constexpr std::size_t min_rounds = 2;
        // The first step finds other code and data in caches, which is of no account in a model that fills them anyway.
        const double first = timed([&] { layers(position_, 1); });
        cache_.truncate(position_);
        const int unmeasured = first < slow_step ? 1 : 0, in_a_row = first < slow_step ? 3 : 1;
        for (std::size_t round = 0; round < min_rounds || since(begun) < o_.seconds; ++round) {
            for (std::size_t m = 1; m <= blocks_; ++m) {
                double of_layers = 0.0, of_output = 0.0;
                for (int i = -unmeasured; i < in_a_row; ++i) {
                    const double passed = timed([&] { layers(position_, m); });
                    const double then = timed([&] {
                        net_.logit_summaries({rows_.data(), m, net_.shape().d_model}, std::span(summaries_).first(m),
                                             context_);
                    });
                    cache_.truncate(position_);
                    of_layers += i < 0 ? 0.0 : passed;
                    of_output += i < 0 ? 0.0 : then;
                }
                layer[m - 1].push_back(of_layers / (in_a_row * depth()));
                output[m - 1].push_back(of_output / in_a_row);
            }
            place(position_, 1);
            const double passed =
                timed([&] { net_.update_kv_only(1, net_.shape().layers, std::span(tokens_).first(1), context_); });
            cache_.truncate(position_);
            keys_and_values.push_back(passed / depth());
            step.push_back(step_of(session, first < slow_step ? max_steps : max_steps / 4));
        }
        step_costs costs;
        costs.measured_on = conditions_of(model_, o_.session);
        costs.position = position_;
        for (std::size_t m = 0; m < blocks_; ++m) {
            costs.layer.push_back(middle_of(layer[m]));
            costs.output.push_back(middle_of(output[m]));
        }
        costs.keys_and_values = middle_of(keys_and_values);
        costs.token = std::max(0.0, middle_of(step) - depth() * costs.layer.front() - costs.output.front());
        for (const gate_entry& entry : gate_catalogue()) {
            if (const std::optional<double> seconds = gate(entry)) costs.gate[std::string(entry.info.name)] = *seconds;
        }
        return costs;
    }

private:
    static constexpr double slow_step = 5e-3;    ///< seconds
    static constexpr std::size_t max_steps = 8;  ///< of the session

    static double since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }
    template <class Run>
    static double timed(Run run) {
        const auto start = clock::now();
        run();
        return since(start);
    }
    [[nodiscard]] double depth() const noexcept { return static_cast<double>(net_.shape().layers); }

    void place(std::size_t position, std::size_t m) {
        for (std::size_t i = 0; i < m; ++i) {
            tokens_[i] = {&cache_, position + i, rows_.data() + i * net_.shape().d_model};
            net_.embed(some_token(position + i), position + i, tokens_[i].row);
        }
    }
    void layers(std::size_t position, std::size_t m) {
        place(position, m);
        net_.run_layers(1, net_.shape().layers, std::span(tokens_).first(m), context_);
    }
    [[nodiscard]] token_id some_token(std::size_t i) const {
        return static_cast<token_id>((7 * i + 11) % net_.shape().vocab);
    }
    /// Returns the seconds of one step of a session at full depth, the mean of this number of them.
    [[nodiscard]] double step_of(any_session& session, std::size_t count) const {
        std::vector<token_id> prompt;
        for (std::size_t i = 0; i < position_; ++i) prompt.push_back(some_token(i));
        generate_options options{.max_new_tokens = std::min(count + 1, session.capacity() - position_ + 1)};
        options.end_of_text.emplace();
        const run_stats s = session.complete(prompt, options).stats;
        return s.predictions() < 2 ? 0.0 : s.decode_seconds / static_cast<double>(s.predictions() - 1);
    }
    /// Returns the seconds of one evaluation of a gate; nothing for one that was not fitted to this model.
    [[nodiscard]] std::optional<double> gate(const gate_entry& entry) {
        const exit_weights* const exits = find_exits(model_);
        std::size_t layer = 1;
        if (entry.is_fitted()) {
            if (exits == nullptr || exits->layers().empty()) return std::nullopt;
            if (!exits->has_tensors_of(entry.info.name)) return std::nullopt;
            layer = exits->layers().front();
        }
        std::vector<float> values;
        for (const gate_parameter& p : entry.info.parameters) values.push_back(p.otherwise);
        const composed_gate::part made = entry.make(values, exits);
        exit_signals signals(net_.shape().d_model, net_.shape().vocab, 0, made.run_time_signals());
        signals.use_summaries(!signals_need_logits(made.run_time_signals()));
        stored_logits source(logits_);
        auto sequence = made.start_sequence();
        constexpr std::size_t evaluations = 32;
        std::vector<double> seconds;
        for (std::size_t round = 0; round < 9; ++round) {
            seconds.push_back(timed([&] {
                for (std::size_t i = 0; i < evaluations; ++i) {
                    composed_gate::part::token_state token{};
                    signals.start_token(position_);
                    signals.begin_exit(layer, std::span(rows_).first(net_.shape().d_model), source);
                    (void)made(signal_view<all_signals>(signals), token, sequence);
                }
            }));
        }
        return middle_of(seconds) / static_cast<double>(evaluations);
    }
    [[nodiscard]] static bool signals_need_logits(signal_set read) noexcept {
        return read.contains(signal::logits) || read.contains(signal::entropy) || read.contains(signal::divergence);
    }

    const Model& model_;
    const network_type_of<Model>& net_;
    const cost_options& o_;
    std::size_t blocks_;
    std::size_t position_;
    session_executors executors_;
    run_context context_;
    kv_cache cache_;
    std::vector<float> rows_, logits_;
    std::vector<layer_token> tokens_;
    std::vector<kernels::logit_summary> summaries_;
};

}  // namespace detail

/// Measures on this machine what the parts of a step take: layers and output with one token and several, keys and
/// values alone, each gate. Takes about `options.seconds`, or two rounds if those are longer: for a model of 100
/// million parameters and more, of a few steps each.
/// @throws error as make_session()
template <model Model>
[[nodiscard]] step_costs measure_step_costs(const Model& model, const cost_options& options = {}) {
    return detail::cost_meter<Model>(model, options).run();
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
