// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_ESTIMATE_FIT_HPP
#define EARLYOUT_CALIBRATE_ESTIMATE_FIT_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/collect.hpp>
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/fit_exits.hpp>
#include <earlyout/calibrate/fit_heads.hpp>
#include <earlyout/calibrate/fit_options.hpp>
#include <earlyout/calibrate/gates.hpp>
#include <earlyout/calibrate/monitor.hpp>
#include <earlyout/calibrate/policy_trials.hpp>
#include <earlyout/calibrate/threshold_search.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/step_costs.hpp>
#include <earlyout/nn/kv_cache.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// One part of a fit and what it is expected to take.
struct fit_step {
    std::string name;
    double seconds = 0.0;
    double bytes = 0.0;  ///< of memory while it runs, beside the models
};

/// What a fit is expected to take on this machine.
struct fit_estimate {
    std::vector<fit_step> steps;
    std::size_t tokens = 0;    ///< of the parts to fit to and to validate
    std::size_t kept = 0;      ///< tokens whose observations are kept
    std::size_t policies = 0;  ///< to complete all samples with, at most: a search ends where too much is lost
    std::size_t samples = 0;

    [[nodiscard]] double seconds() const noexcept {
        double sum = 0.0;
        for (const fit_step& step : steps) sum += step.seconds;
        return sum;
    }
    [[nodiscard]] double bytes() const noexcept {
        double most = 0.0;
        for (const fit_step& step : steps) most = std::max(most, step.bytes);
        return most;
    }
};

namespace detail {

/// Measures the parts of a fit on a few tokens and multiplies.
template <class Model>
class fit_estimator {
public:
    fit_estimator(const Model& model, const std::vector<corpus_text>& texts, const fit_options& options,
                  std::size_t others, executor& on, const monitor& watch)
        : model_(model),
          o_(options),
          others_(others),
          on_(on),
          watch_(watch),
          layers_(layers_to_fit(options, shape())),
          fit_(texts_of_part(texts, corpus_part::fit, "fit")),
          validation_(texts_of_part(texts, corpus_part::validate, "validate")),
          guarantee_(options.guarantee.eps > 0.0 ? texts_of_part(texts, corpus_part::guarantee, "guarantee").size()
                                                 : 0) {}

    /// @return nothing when cancelled
    [[nodiscard]] std::optional<fit_estimate> run() {
        watch_.report("measuring what a few tokens take");
        collect();
        if (watch_.is_cancelled()) return std::nullopt;
        if (o_.heads != "shared") fit_heads();
        if (watch_.is_cancelled()) return std::nullopt;
        fit_gates();
        made_.steps.push_back({"costs", o_.given_costs ? 0.0 : o_.costs.seconds, 0.0});
        choose();
        if (watch_.is_cancelled()) return std::nullopt;
        return std::move(made_);
    }

private:
    using clock = std::chrono::steady_clock;
    static double since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }
    static std::size_t tokens_of(const std::vector<corpus_text>& texts) {
        std::size_t sum = 0;
        for (const corpus_text& text : texts) sum += text.ids.size();
        return sum;
    }
    [[nodiscard]] const model_shape& shape() const noexcept { return network_of(model_).shape(); }

    void collect() {
        const std::size_t exits = layers_.size() + 1, bytes = calibration_set::bytes_of_token(exits, shape().d_model);
        for (const auto& [texts, memory] : {std::pair{&fit_, o_.memory / 4 * 3}, {&validation_, o_.memory / 4}}) {
            const std::size_t tokens = tokens_of(*texts);
            made_.tokens += tokens;
            made_.kept += tokens / calibration_set::keep_every_within(memory, tokens, exits, shape().d_model);
        }
        kept_bytes_ = static_cast<double>(made_.kept * bytes);
        const std::size_t window = std::min({o_.window, shape().context, std::size_t{128}});
        collector observer(network_of(model_), layers_, window, on_);
        const auto start = clock::now();
        std::size_t tokens = 0;
        for (const corpus_text& text : fit_) {
            if (tokens != 0 && (since(start) > 1.0 || watch_.is_cancelled())) break;
            const std::span<const token_id> some(text.ids.data(), std::min(text.ids.size(), window));
            few_.add(observer.observe(some));
            tokens += some.size();
        }
        made_.steps.push_back(
            {"reading texts", since(start) / static_cast<double>(tokens) * static_cast<double>(made_.tokens),
             kept_bytes_ +
                 static_cast<double>(o_.window * exits * shape().d_model + 64 * shape().vocab) * sizeof(float)});
    }

    /// The output matrix in f32, logits of a batch and, for heads of their own, matrices for Adam.
    [[nodiscard]] double head_bytes() const noexcept {
        const auto matrix = static_cast<double>(shape().vocab * shape().d_model) * sizeof(float);
        const auto batch = static_cast<double>(o_.head_fit.batch * shape().vocab) * sizeof(float);
        return (o_.heads == "own" ? 5.0 : 1.0) * matrix + 4.0 * batch;
    }
    void fit_heads() {
        const head_kind kind = o_.heads == "own" ? head_kind::own : head_kind::adapter;
        const auto seconds = [&](std::size_t epochs) {
            head_fit_options few = o_.head_fit;
            few.epochs = epochs;
            const auto start = clock::now();
            (void)calibrate::fit_heads(network_of(model_), few_, kind, few, on_, {.cancel = watch_.cancel});
            return since(start);
        };
        const double once = seconds(1);
        const double epoch = std::max(0.0, seconds(2) - once);
        const double share = static_cast<double>(made_.kept) * 0.75 / static_cast<double>(few_.size());
        made_.steps.push_back({"fitting heads",
                               std::max(0.0, once - epoch) + epoch * share * static_cast<double>(o_.head_fit.epochs),
                               kept_bytes_ + head_bytes()});
        calibration_set again = few_;
        const auto start = clock::now();
        (void)recompute_outputs(again, network_of(model_), shared_head{}, on_, watch_.cancel);
        made_.steps.push_back({"recomputing exit outputs",
                               since(start) * static_cast<double>(made_.kept) / static_cast<double>(few_.size()),
                               kept_bytes_});
    }

    void fit_gates() {
        const auto start = clock::now();
        for (const std::string& gate : o_.gates) {
            try {
                (void)fit_gate(o_.fits, gate, {few_, few_, watch_.cancel});
            } catch (const error&) {
                // Too few tokens to fit to; its time is small beside the rest.
            }
        }
        // With the rows of one exit in the order of the fit.
        const double copied = kept_bytes_ * 1.4;
        made_.steps.push_back({"fitting gates",
                               since(start) * static_cast<double>(made_.kept) / static_cast<double>(few_.size()),
                               copied});
    }

    struct seconds_per_sample {
        double prefill = 0.0;
        double decode = 0.0;
    };
    /// Measures a sample at full depth, on all threads.
    [[nodiscard]] seconds_per_sample measure_samples(std::size_t count) const {
        sample_options cut = o_.samples;
        cut.count = count;
        const auto samples = cut_samples(validation_, cut);
        if (samples.empty()) return {};
        const step_costs costs;
        const monitor quiet{.cancel = watch_.cancel};
        policy_trials<Model> trials(model_, nullptr, costs, samples, 0.95, on_, quiet);
        const auto seconds = [&] {
            const auto start = clock::now();
            (void)trials.predict(policy_spec{});
            return since(start) / static_cast<double>(samples.size());
        };
        // The first computes the prompts and completes them twice, for full depth is compared with itself; the second
        // completes them once.
        const double first = seconds(), second = seconds();
        return {.prefill = std::max(0.0, first - 2.0 * second), .decode = second};
    }
    /// Returns what a token takes under a policy at most, in times full depth: every exit's logits, if it reads any,
    /// and then full depth. By the bytes that are read.
    [[nodiscard]] double longest(const policy_spec& policy) const {
        const auto& network = network_of(model_);
        double layers = 0.0;
        for (std::size_t layer = 1; layer <= shape().layers; ++layer) {
            layers += static_cast<double>(network.layer_bytes(layer));
        }
        const bool reads = std::ranges::any_of(policy.gates, [](const auto& chain) {
            return std::ranges::any_of(chain, [](const gate_spec& gate) { return gate.entry().reads_logits(); });
        });
        const double exits = reads ? static_cast<double>(policy.layers.size()) : 0.0;
        const auto output = static_cast<double>(network.output_bytes());
        return (layers + (1.0 + exits) * output) / (layers + output);
    }
    void choose() {
        threshold_options thresholds = o_.thresholds;
        thresholds.layers = layers_;
        const threshold_search<Model> search(model_, thresholds, watch_);
        std::vector<std::string> gates = o_.gates;
        gates.insert(gates.end(), o_.more_gates.begin(), o_.more_gates.end());
        double times = 0.0;  // what completing with all of them takes, in times full depth
        for (const std::string& gate : gates) {
            const std::vector<policy_spec> policies = search.policies_of(gate);
            made_.policies += policies.size();
            for (const policy_spec& policy : policies) times += longest(policy);
        }
        made_.samples = cut_samples(validation_, o_.samples).size();

        const std::size_t threads = on_.concurrency();
        seconds_per_sample one = measure_samples(2 * threads);
        if (one.decode * static_cast<double>(2 * threads) < 0.1) one = measure_samples(64 * threads);
        const kv_cache page(shape(), 1);
        const double entries = static_cast<double>(o_.samples.length * shape().layers * page.entry_bytes());
        const double prompts =
            std::min(static_cast<double>(made_.samples) * entries, static_cast<double>(o_.memory / (1 + others_)));
        // Prompts without room are computed with every policy.
        const double fits = prompts / std::max(1.0, static_cast<double>(made_.samples) * entries);
        const auto samples = static_cast<double>(made_.samples);
        const auto run = [&](double policies, double of) {
            return of * (one.prefill + policies * (one.decode + (1.0 - fits) * one.prefill));
        };
        made_.steps.push_back({"completing prompts with policies", run(times, samples), prompts});
        // The three fastest of each gate, in turns with full depth and nothing beside them.
        const double alone = static_cast<double>(threads) * (one.prefill + one.decode);
        if (o_.thresholds.are_timed) {
            made_.steps.push_back(
                {"timing the fastest", 6.0 * static_cast<double>(gates.size()) * samples * alone, 0.0});
        }
        // As a rule one or two policies of each gate.
        if (others_ != 0) {
            made_.steps.push_back({"checking other formats",
                                   static_cast<double>(others_) * run(2.0 * static_cast<double>(gates.size()), samples),
                                   prompts * static_cast<double>(1 + others_)});
        }
        if (guarantee_ != 0) {
            constexpr double thresholds_of_gate = 10.0;
            made_.steps.push_back(
                {"testing the guarantee",
                 run(thresholds_of_gate * static_cast<double>(gates.size()), static_cast<double>(guarantee_)),
                 prompts});
        }
    }

    const Model& model_;
    const fit_options& o_;
    std::size_t others_;
    executor& on_;
    const monitor& watch_;
    std::vector<std::size_t> layers_;
    std::vector<corpus_text> fit_;
    std::vector<corpus_text> validation_;
    std::size_t guarantee_;  // texts
    calibration_set few_ = calibration_set();
    double kept_bytes_ = 0.0;
    fit_estimate made_;
};

}  // namespace detail

/// Estimates what fit_exits with the same arguments takes, by measuring some seconds: a second of texts, heads and
/// gates fitted to those, a few completions at full depth. Sums are for a search that tries all policies; one that
/// loses much ends sooner.
/// @param others number of further weight formats
/// @return nothing when cancelled
/// @throws error as fit_exits for options and texts
template <has_fitted_exits Model>
[[nodiscard]] std::optional<fit_estimate> estimate_fit(const Model& model, const std::vector<corpus_text>& texts,
                                                       const fit_options& options, std::size_t others, executor& on,
                                                       const monitor& watch = {}) try {
    return detail::fit_estimator<Model>(model, texts, options, others, on, watch).run();
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
