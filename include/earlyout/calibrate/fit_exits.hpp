// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_FIT_EXITS_HPP
#define EARLYOUT_CALIBRATE_FIT_EXITS_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/collect.hpp>
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/costs_json.hpp>
#include <earlyout/calibrate/detail/policy_chooser.hpp>
#include <earlyout/calibrate/exit_accuracy.hpp>
#include <earlyout/calibrate/fit_heads.hpp>
#include <earlyout/calibrate/fit_options.hpp>
#include <earlyout/calibrate/fit_result.hpp>
#include <earlyout/calibrate/gates.hpp>
#include <earlyout/calibrate/kept_results.hpp>
#include <earlyout/calibrate/monitor.hpp>
#include <earlyout/calibrate/recompute_outputs.hpp>
#include <earlyout/calibrate/shards.hpp>
#include <earlyout/calibrate/skill.hpp>
#include <earlyout/calibrate/threshold_search.hpp>
#include <earlyout/calibrate/workers.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/exit/any_head.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/measure_costs.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

namespace detail {

[[nodiscard]] inline std::vector<corpus_text> texts_of_part(const std::vector<corpus_text>& texts, corpus_part part,
                                                            const char* name) {
    std::vector<corpus_text> found;
    for (const corpus_text& text : texts) {
        if (part_of(text) == part && text.ids.size() >= 2) found.push_back(text);
    }
    if (found.empty()) {
        fail(errc::invalid_argument, "texts: expected several, of which some fall to the part ", name, "; found ",
             texts.size(), " texts, none of them does; give more files, or take more tokens");
    }
    return found;
}

/// The steps of a fit. Each returns false once it was cancelled.
template <class Model>
class exit_fitter {
public:
    exit_fitter(Model& model, const std::vector<corpus_text>& texts, const fit_options& options, fitted_model fitted_to,
                std::span<const std::pair<std::string, Model*>> others, executor& on, const monitor& watch)
        : model_(model),
          texts_(texts),
          o_(options),
          fitted_to_(std::move(fitted_to)),
          others_(others),
          on_(on),
          watch_(watch),
          layers_(layers_to_fit(options, network_of(model).shape())) {}

    [[nodiscard]] bool run() {
        result_.texts = texts_.size();
        result_.loss_target = o_.thresholds.loss;
        for (const corpus_text& text : texts_) result_.texts_hash ^= text.hash;
        const auto validation_texts = texts_of_part(texts_, corpus_part::validate, "validate");
        calibration_set seen, other;
        if (!collect(texts_of_part(texts_, corpus_part::fit, "fit"), o_.memory / 4 * 3, "fit", seen, result_.fit) ||
            !collect(validation_texts, o_.memory / 4, "validate", other, result_.validation)) {
            return false;
        }
        if (o_.needs_skill) refuse(lack_of_skill(result_.validation.exits, validation_texts));
        if (o_.heads != "shared" && !fit_all_heads(seen, other)) return false;
        if (o_.needs_skill)
            refuse(lack_of_exits(result_.heads ? result_.heads->after : result_.validation.exits, other));
        for (const std::string& gate : o_.gates) {
            watch_.report("fitting " + gate);
            result_.gates.push_back(shared_or_computed(watch_, "gate " + gate, [&] {
                return fit_gate(o_.fits, gate, {seen, other, watch_.cancel});
            }));
            if (watch_.is_cancelled()) return false;
        }
        seen = calibration_set();
        other = calibration_set();
        return choose_policies(validation_texts);
    }

    [[nodiscard]] fit_result take() {
        result_.exits = make_exits();
        return std::move(result_);
    }

private:
    static void refuse(const std::optional<std::string>& why) {
        if (why) fail(errc::wrong_value, *why);
    }
    struct collected_shard {
        calibration_set kept = calibration_set();
        exit_accuracy accuracy;
        void archive(auto& a) { a(kept, accuracy); }
    };
    using clock = std::chrono::steady_clock;
    static double since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }

    [[nodiscard]] bool collect(const std::vector<corpus_text>& texts, std::size_t bytes, const char* name,
                               calibration_set& kept, collected_part& part) {
        const model_shape& shape = network_of(model_).shape();
        for (const corpus_text& text : texts) part.tokens += text.ids.size();
        part.texts = texts.size();
        const std::size_t exits = layers_.size() + 1;
        const std::size_t every = calibration_set::keep_every_within(bytes, part.tokens, exits, shape.d_model);
        collector collect(network_of(model_), layers_, std::min(o_.window, shape.context), on_);
        const auto start = clock::now();
        bool whole = true;
        std::size_t before = 0, own = 0;
        for (std::size_t shard = 0; shard < shard_count; ++shard) {
            if (!is_own_shard(watch_.among, shard)) continue;
            for (const corpus_text& text : shard_of(std::span(texts), shard)) own += text.ids.size();
        }
        const auto collect_shard = [&](std::size_t shard) {
            const std::span<const corpus_text> some = shard_of(std::span(texts), shard);
            auto made = kept_or_computed(watch_, name + (" " + std::to_string(shard)), [&] {
                collected_shard found{calibration_set(every), {}};
                whole = whole && collect.run(
                                     some,
                                     [&](const window_observation& window) {
                                         found.accuracy.add(window);
                                         found.kept.add(window);
                                     },
                                     watch_.cancel,
                                     [&](std::size_t done) {
                                         watch_.report(std::string("reading the part ") + name, before + done, own);
                                     });
                return found;
            });
            for (const corpus_text& text : some) before += text.ids.size();
            return made;
        };
        for_each_shard(watch_.among, collect_shard, [&](std::size_t, const collected_shard& found) {
            kept += found.kept;
            part.exits += found.accuracy;
        });
        part.seconds = since(start);
        part.kept = kept.size();
        part.kept_bytes = kept.size() * calibration_set::bytes_of_token(exits, shape.d_model);
        return whole;
    }

    /// Fits the heads and recomputes every exit's outputs through them: gates are fitted on what they will see.
    [[nodiscard]] bool fit_all_heads(calibration_set& seen, calibration_set& other) {
        heads_result& heads = result_.heads.emplace();
        heads.kind = o_.heads;
        heads.before.add(other);
        const auto start = clock::now();
        auto fitted = fit_heads(network_of(model_), seen, o_.heads == "own" ? head_kind::own : head_kind::adapter,
                                o_.head_fit, on_, watch_);
        if (!fitted) return false;
        heads.fitted = std::move(*fitted);
        heads.seconds = since(start);
        model_.set_exits(make_exits());
        head_ = make_head(
            policy_spec{.gates = {}, .layers = {}, .head = o_.heads, .shortlist = {}, .cache = "propagate"}, model_);
        const std::size_t all = (seen.size() + other.size()) * (seen.exit_count() - 1);
        std::size_t before = 0;
        for (calibration_set* part : {&seen, &other}) {
            if (!recompute_outputs(*part, network_of(model_), head_, on_, watch_.cancel, [&](std::size_t done) {
                    watch_.report("recomputing exit outputs", before + done, all);
                })) {
                return false;
            }
            before += part->size() * (part->exit_count() - 1);
        }
        heads.after.add(other);
        return true;
    }

    [[nodiscard]] bool choose_policies(const std::vector<corpus_text>& validation_texts) {
        model_.set_exits(make_exits());
        for (const auto& [name, other] : others_) other->set_exits(make_exits());
        const auto samples = cut_samples(validation_texts, o_.samples);
        if (samples.empty()) {
            fail(errc::invalid_argument, "texts: expected some of at least ", o_.samples.new_tokens + 2,
                 " tokens, found none in the part validate");
        }
        result_.samples = samples.size();
        watch_.report("measuring what the layers cost");
        result_.costs = o_.given_costs ? *o_.given_costs : shared_or_computed(watch_, "costs", [&] {
            return shared_costs(std::as_const(model_), o_.costs, watch_.among);
        });
        threshold_options thresholds = o_.thresholds;
        thresholds.layers = layers_;
        thresholds.prompt_memory = o_.memory;
        policy_chooser<Model> chooser(model_, others_, head_, thresholds, result_.costs, on_, watch_);
        std::vector<std::string> gates = o_.gates;
        gates.insert(gates.end(), o_.more_gates.begin(), o_.more_gates.end());
        if (!chooser.choose(gates, samples)) return false;
        if (o_.guarantee.eps > 0.0 &&
            !chooser.guarantee(texts_of_part(texts_, corpus_part::guarantee, "guarantee"), o_.samples, o_.guarantee)) {
            return false;
        }
        for (const std::string& name : chooser.formats_that_hold()) fitted_to_.weight_formats += ", " + name;
        result_.choices = std::move(chooser.choices);
        result_.front = std::move(chooser.front);
        return true;
    }

    [[nodiscard]] exit_weights make_exits() const {
        exit_weights exits("fitted exits");
        exits.set_model(fitted_to_);
        exits.set_layers(layers_);
        if (result_.heads) {
            for (const fitted_head& head : result_.heads->fitted) head.store(exits);
        }
        for (const fitted_gate& gate : result_.gates) gate.store(exits);
        for (const gate_choice& choice : result_.choices) {
            if (std::ranges::find(o_.gates, choice.gate) == o_.gates.end()) continue;
            exits.set_policy(choice.gate, choice.found ? to_string(choice.chosen.policy) : "full-depth");
        }
        if (const gate_choice* const best = result_.best()) exits.set_policy({}, to_string(best->chosen.policy));
        if (!result_.costs.layer.empty()) {
            store_costs(exits, result_.costs, result_.best() ? result_.best()->chosen.policy : policy_spec{});
            store_front(exits, result_.front, o_.thresholds.loss);
        }
        return exits;
    }

    Model& model_;
    const std::vector<corpus_text>& texts_;
    const fit_options& o_;
    fitted_model fitted_to_;
    std::span<const std::pair<std::string, Model*>> others_;
    executor& on_;
    const monitor& watch_;
    std::vector<std::size_t> layers_;
    any_head head_;
    fit_result result_;
};

}  // namespace detail

/// Fits exits to a model on texts: collects the outputs of every exit, fits heads, then gates, on one part of them,
/// calibrates on a second and chooses thresholds there by completing prompts alongside full depth; a guarantee is
/// tested on a third part.
/// @param model     receives the fitted exits
/// @param fitted_to the model as its exits will name it: sizes, fingerprint, weight format
/// @param others    the same model in further weight formats, by name, with which the thresholds are checked
/// @return nothing when cancelled
/// @throws error
template <has_fitted_exits Model>
[[nodiscard]] std::optional<fit_result> fit_exits(
    Model& model, const std::vector<corpus_text>& texts, const fit_options& options, fitted_model fitted_to,
    std::type_identity_t<std::span<const std::pair<std::string, Model*>>> others, executor& on,
    const monitor& watch = {}) try {
    detail::exit_fitter<Model> fitter(model, texts, options, std::move(fitted_to), others, on, watch);
    if (!fitter.run()) return std::nullopt;
    return fitter.take();
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
