// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_POLICY_TRIALS_HPP
#define EARLYOUT_CALIBRATE_POLICY_TRIALS_HPP

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/detail/kept_prompts.hpp>
#include <earlyout/calibrate/evaluate.hpp>
#include <earlyout/calibrate/kept_results.hpp>
#include <earlyout/calibrate/measured_policy.hpp>
#include <earlyout/calibrate/monitor.hpp>
#include <earlyout/calibrate/policy_intervals.hpp>
#include <earlyout/calibrate/risk.hpp>
#include <earlyout/calibrate/shards.hpp>
#include <earlyout/calibrate/workers.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/exit/any_head.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/step_costs.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Returns a completion whose seconds are what its work costs. They depend on no clock, so that completions may run
/// beside each other, on any number of threads and machines.
[[nodiscard]] inline completion priced(completion done, const policy_spec& policy, const step_costs& costs,
                                       std::size_t vocab) {
    run_stats& s = done.stats;
    if (policy.prefill == prefill::eager) {
        // As if no session had held the prompt.
        s.prefill = {.layer_tokens = s.prompt_tokens * s.layers};
        s.reused_tokens = 0;
    }
    s.decode_seconds = seconds_of(work_of(done, policy, vocab), costs, policy);
    s.prefill_seconds = static_cast<double>(s.prefill.layer_tokens) * costs.layer_slope() +
                        (costs.output.empty() ? 0.0 : costs.output.front());
    s.gate_seconds = s.head_seconds = 0.0;
    return done;
}

/// Completes the same samples with many policies, each compared with full depth, which is completed once. Once
/// cancelled, every call returns immediately with what it has.
template <model Model>
class policy_trials {
public:
    /// @param head  computes the exits' logits; nullptr: what each policy names
    /// @param costs of the model's steps
    /// @param level of the intervals
    /// @param prompt_memory bytes for prompts that were computed, which every other policy continues
    /// @param name of its results, where the monitor keeps any
    /// All must outlive the trials.
    policy_trials(const Model& model, const any_head* head, const step_costs& costs, const std::vector<sample>& samples,
                  double level, executor& on, const monitor& watch, std::size_t prompt_memory = std::size_t{256} << 20,
                  std::string name = "trials")
        : model_(model),
          head_(head),
          costs_(costs),
          samples_(samples),
          level_(level),
          on_(on),
          watch_(watch),
          prompt_memory_(prompt_memory),
          name_(std::move(name)),
          prompts_(pieces_per_thread * on.concurrency()) {}

    [[nodiscard]] const std::vector<sample>& samples() const noexcept { return samples_; }
    [[nodiscard]] const Model& model() const noexcept { return model_; }

    /// Completes all samples with a policy, beside each other; its speed is what its work costs.
    [[nodiscard]] measured_policy predict(const policy_spec& policy) {
        return named(policy, shared_or_computed(watch_, name_of("predicted", policy), [&] {
                         if (!full_) full_ = complete(policy_spec{});
                         return summarize({.early = complete(policy), .full = *full_}, policy, false);
                     }));
    }

    /// Completes all samples with a policy and at full depth, in turns and nothing beside them; its speed is measured.
    [[nodiscard]] measured_policy time(const policy_spec& policy) const {
        const auto measure = [&] {
            auto full = session(policy_spec{});
            auto early = session(policy);
            const auto with = [](any_session& s) {
                return [&s](std::span<const token_id> p, const generate_options& g) { return s.complete(p, g); };
            };
            const auto text = [&](std::span<const token_id> ids) { return text_of(ids); };
            return summarize(evaluate_pair(samples_, with(early), with(full), text, options()), policy, true);
        };
        return named(policy, shared_or_computed(watch_, name_of("timed", policy), measure));
    }

    /// Returns each completion's loss of ROUGE-L against full depth's; a gain counts as 0.
    [[nodiscard]] sample_losses losses(const policy_spec& policy) {
        return shared_or_computed(watch_, name_of("losses", policy), [&] {
            if (!full_) full_ = complete(policy_spec{});
            const evaluation early = complete(policy);
            sample_losses all;
            for (std::size_t i = 0; i < std::min(early.rouge_l_of.size(), full_->rouge_l_of.size()); ++i) {
                all.push_back(std::max(0.0, full_->rouge_l_of[i] - early.rouge_l_of[i]));
            }
            return all;
        });
    }

private:
    [[nodiscard]] generate_options options() const {
        generate_options made;
        made.cancel = watch_.cancel;
        return made;
    }
    [[nodiscard]] std::size_t capacity() const noexcept {
        std::size_t most = 0;
        for (const sample& s : samples_) most = std::max(most, s.prompt.size() + s.reference.size());
        return most;
    }
    [[nodiscard]] any_session session(const policy_spec& policy, std::shared_ptr<kv_pool> pool = {}) const {
        session_options made;
        made.capacity = capacity();
        made.pool = std::move(pool);
        return head_ != nullptr ? make_session(model_, policy, made, *head_) : make_session(model_, policy, made);
    }
    [[nodiscard]] std::string text_of(std::span<const token_id> ids) const { return model_.tokenizer().decode(ids); }

    /// Samples are shared among processes and threads, and merged in their order.
    [[nodiscard]] evaluation complete(const policy_spec& policy) {
        std::vector<const sample*> own;
        for (std::size_t shard = 0; shard < shard_count; ++shard) {
            if (!is_own_shard(watch_.among, shard)) continue;
            for (const sample& s : shard_of(std::span(samples_), shard)) own.push_back(&s);
        }
        std::vector<std::optional<completion>> done(own.size());
        // A piece has the same samples each time.
        parallel_for_throwing(on_, own.size(), 1, [&](std::size_t piece, std::size_t begin, std::size_t end) {
            auto& kept = prompts_[piece];
            if (!kept) {
                kept = std::make_unique<detail::kept_prompts>(network_of(model_).shape(), capacity(), end - begin,
                                                              prompt_memory_ / own.size() * (end - begin));
            }
            const bool continues = policy.prefill == prefill::eager && policy.active_experts == 0;
            any_session with = session(policy, continues ? kept->pool() : nullptr);
            generate_options given = options();
            for (std::size_t i = begin; i < end && !watch_.is_cancelled(); ++i) {
                given.max_new_tokens = own[i]->reference.size();
                if (continues) kept->begin(i - begin, with);
                done[i] = with.complete(own[i]->prompt, given);
                if (continues) kept->keep(i - begin, own[i]->prompt, with);
            }
        });
        evaluation all;
        const std::size_t vocab = network_of(model_).shape().vocab;
        std::size_t next = 0;  // of own
        bool is_whole = true;
        for_each_shard(
            watch_.among,
            [&](std::size_t shard) {
                std::vector<completion> part;
                for (std::size_t i = 0; i < shard_of(std::span(samples_), shard).size(); ++i, ++next) {
                    if (done[next]) part.push_back(priced(*std::move(done[next]), policy, costs_, vocab));
                }
                return part;
            },
            [&](std::size_t shard, std::vector<completion> part) {
                const std::span<const sample> of = shard_of(std::span(samples_), shard);
                for (std::size_t i = 0; i < part.size() && is_whole; ++i) {
                    all.add(std::move(part[i]), of[i], [&](std::span<const token_id> ids) { return text_of(ids); });
                }
                is_whole = is_whole && part.size() == of.size();
            });
        return all;
    }

    [[nodiscard]] std::string name_of(const char* what, const policy_spec& policy) const {
        return name_ + " " + what + " " + to_string(policy);
    }
    [[nodiscard]] static measured_policy named(const policy_spec& policy, measured_policy made) {
        made.policy = policy;
        return made;
    }
    [[nodiscard]] measured_policy summarize(const paired_evaluation& both, const policy_spec& policy,
                                            bool is_timed) const {
        measured_policy made{.policy = {}, .is_timed = is_timed, .intervals = {}, .work = {}};
        if (both.early.results.size() != both.full.results.size()) return made;  // cancelled
        made.layers_skipped = both.early.layers_skipped();
        made.loss = both.rouge_l_loss();
        made.agreement = both.agreement();
        made.speedup = both.decode_speedup();
        made.intervals = intervals_of(both, samples_, {.level = level_});
        const std::size_t vocab = network_of(model_).shape().vocab;
        for (const completion& done : both.early.results) made.work += work_of(done, policy, vocab);
        return made;
    }

    const Model& model_;
    const any_head* head_;
    const step_costs& costs_;
    const std::vector<sample>& samples_;
    double level_;
    executor& on_;
    const monitor& watch_;
    std::size_t prompt_memory_;
    std::string name_;
    std::vector<std::unique_ptr<detail::kept_prompts>> prompts_;  // of each piece of the samples
    std::optional<evaluation> full_;
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
