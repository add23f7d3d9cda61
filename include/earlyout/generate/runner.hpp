// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_RUNNER_HPP
#define EARLYOUT_GENERATE_RUNNER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/no_drafts.hpp>
#include <earlyout/generate/draw_token.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/prompt.hpp>
#include <earlyout/generate/run_stats.hpp>
#include <earlyout/generate/session_executors.hpp>
#include <earlyout/generate/steps/early_exit.hpp>
#include <earlyout/generate/steps/speculative.hpp>
#include <earlyout/nn/network.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// One sequence on a run_context of its own: prompt, predictions, rollback and statistics. It handles token ids only;
/// session adds text.
template <network Network, class Policy, drafter Drafter = no_drafts>
class runner {
    /// Without a drafter there is nothing of drafting in a program.
    static constexpr bool may_draft = !std::is_same_v<Drafter, no_drafts>;
    using generation_type =
        std::conditional_t<may_draft, drafted_generation<Network, Policy, Drafter>, generation<Network, Policy>>;
    using gate_state = typename Policy::plan_type::sequence_state;
    using clock = std::chrono::steady_clock;

public:
    /// Allocates everything that completions need.
    /// @throws error when the policy does not fit the network
    runner(const Network& network, Policy policy, Drafter drafter, std::size_t capacity, const session_options& options)
        : network_(&network),
          policy_(checked(std::move(policy), network)),
          drafter_(std::move(drafter)),
          executors_(options),
          generation_(make_generation(capacity, options)),
          context_(network, checked_block(options), executors_.widest(),
                   head_scratch_bytes(policy_.head, checked_block(options))) {
        ids_.reserve(capacity + 1);
        exit_layers_.reserve(capacity + 1);
        log_probabilities_.reserve(capacity + 1);
        gates_before_.resize(capacity + 1);
    }

    /// Makes a runner that does not draft.
    runner(const Network& network, Policy policy, std::size_t capacity, const session_options& options)
        requires(std::is_same_v<Drafter, no_drafts>)
        : runner(network, std::move(policy), Drafter{}, capacity, options) {}

    /// Returns the gate state that a completion starts with.
    [[nodiscard]] gate_state initial_gates() const { return policy_.plan.start_sequence(); }

    /// Begins a completion: reuses what it can of the tokens it holds, runs the prompt and makes the first prediction.
    void start(std::span<const token_id> prompt, generate_options options, const gate_state& gates) {
        generation_.options = std::move(options);
        generation_.gates.sequence = gates;
        generation_.counts = {};
        generation_.signals.start_completion(prompt.size());
        generation_.signals.use_summaries(needs_argmax_alone<Network>(policy_, generation_.options));
        generation_.signals.use_shortlist(!generation_.options.on_logits);
        ids_.clear();
        exit_layers_.clear();
        log_probabilities_.clear();
        prompt_size_ = prompt.size();
        stats_ = {};
        stats_.prompt_tokens = prompt.size();
        stats_.reused_tokens = reusable_prefix(generation_.tokens, prompt);
        roll_back_tokens(stats_.reused_tokens);
        if constexpr (may_draft) {
            generation_.drafts.counts = {};
            generation_.vocabulary.restart();
        }
        for (const token_id id : prompt.subspan(stats_.reused_tokens)) generation_.tokens.push(*network_, id);
        predict_from_prompt();
    }

    /// Returns the next prediction, running a step if none is pending; nothing when no position is left.
    [[nodiscard]] std::optional<prediction> next() {
        if (generation_.accepted.empty()) {
            if (is_full()) return std::nullopt;
            generation_.tokens.push(*network_, ids_.back());
            generation_.is_prompt = false;
            generation_.deferred = deferred_tokens();
            ++stats_.decode_steps;
            predict(executors_.decode(), stats_.decode, stats_.decode_seconds);
        }
        last_ = generation_.accepted.front();
        generation_.accepted.erase(generation_.accepted.begin());
        return last_;
    }
    /// Makes a predicted token part of the completion: the next prediction follows it.
    void accept(const prediction& p) noexcept {
        ids_.push_back(p.token);
        exit_layers_.push_back(p.exit_layer);
        log_probabilities_.push_back(p.log_probability);
    }
    /// Records the layer at which a gate ended the completion.
    void note_stop(std::size_t layer) noexcept { stats_.stop_layer = layer; }
    /// Records how many tokens were cut off the prompt.
    void note_cut(std::size_t tokens) noexcept { stats_.cut_tokens = tokens; }

    /// Removes all but the first `count` new tokens, as if they had never existed.
    void rollback(std::size_t count) {
        generation_.gates.sequence = gates_before_[count];
        generation_.accepted.clear();
        ids_.resize(count);
        exit_layers_.resize(count);
        log_probabilities_.resize(count);
        stats_.stop_layer = 0;
        if (count != 0) return roll_back_tokens(prompt_size_ + count - 1);
        const token_id last = tokens().ids()[prompt_size_ - 1];
        roll_back_tokens(prompt_size_ - 1);
        generation_.tokens.push(*network_, last);
        predict_from_prompt();
    }
    /// Removes tokens that were accepted after the last one that next() returned.
    void discard_unread() {
        if (generation_.accepted.empty()) return;
        if (!ids_.empty()) roll_back_tokens(prompt_size_ + ids_.size() - 1);
        generation_.accepted.clear();
    }

    /// Returns true once a completion has begun.
    [[nodiscard]] bool has_started() const noexcept { return prompt_size_ != 0; }
    /// Returns true when no position is left for a token after the last one that next() returned.
    [[nodiscard]] bool is_full() const noexcept {
        return prompt_size_ + std::max<std::size_t>(ids_.size(), 1) - 1 == tokens().capacity();
    }
    [[nodiscard]] const generate_options& options() const noexcept { return generation_.options; }
    [[nodiscard]] const sequence& tokens() const noexcept { return generation_.tokens; }
    [[nodiscard]] const prediction& last() const noexcept { return last_; }
    [[nodiscard]] const std::vector<token_id>& ids() const noexcept { return ids_; }
    [[nodiscard]] const std::vector<std::size_t>& exit_layers() const noexcept { return exit_layers_; }
    [[nodiscard]] const std::vector<float>& log_probabilities() const noexcept { return log_probabilities_; }
    [[nodiscard]] run_stats stats() const {
        run_stats made =
            complete_stats(stats_, generation_.counts, exit_layers_, network_->shape().layers, options().emit_at_stop);
        if constexpr (may_draft) add_drafts(made, generation_.drafts.counts, drafter_names(drafter_));
        return made;
    }

private:
    static Policy checked(Policy policy, const Network& network) {
        policy.plan.check(network.shape());
        if constexpr (requires { policy.head.check(network.shape()); }) policy.head.check(network.shape());
        return policy;
    }
    static std::size_t checked_block(const session_options& options) {
        if (options.block == 0) fail(errc::invalid_argument, "block: expected at least 1 token, found 0");
        return options.block;
    }
    generation_type make_generation(std::size_t capacity, const session_options& options) const {
        if constexpr (may_draft) {
            return {*network_, policy_, drafter_, capacity, options.kv, options.block, options.drafts};
        } else {
            return {*network_, policy_, capacity, options.kv};
        }
    }
    void roll_back_tokens(std::size_t position) {
        generation_.tokens.rollback(position);
        if constexpr (may_draft) generation_.drafts.rollback(drafter_, position);
    }

    void predict_from_prompt() {
        generation_.is_prompt = true;
        generation_.deferred = 0;
        predict(executors_.prefill(), stats_.prefill, stats_.prefill_seconds);
    }
    void predict(executor& on, work_count& work, double& seconds) {
        const clock::time_point begun = clock::now();
        const work_count before = context_.work();
        gates_before_[ids_.size()] = generation_.gates.sequence;
        context_.run_on(on);
        const auto& after_layer = options().after_layer;
        context_.observe_layers(after_layer ? std::optional<layer_observer>(after_layer) : std::nullopt);
        run_step();
        work = work + (context_.work() - before);
        seconds += std::chrono::duration<double>(clock::now() - begun).count();
    }

    /// Returns true if tokens are verified at full depth: the policy has no exits, or they serve the drafter.
    [[nodiscard]] bool verifies_drafts() const noexcept {
        return !proposes_nothing(drafter_) && (!policy_.plan.next_exit(0) || uses_exits(drafter_));
    }
    void run_step() {
        if constexpr (may_draft) {
            if (verifies_drafts()) {
                const std::size_t left = options().max_new_tokens - std::min(options().max_new_tokens, ids_.size());
                // An observer of layers would see tokens that are not accepted.
                generation_.drafts.limit = options().after_layer || left == 0 ? 0 : left - 1;
                generation_type* sequences[] = {&generation_};
                speculative<Network, Policy, Drafter>(*network_, policy_, drafter_).predict(context_, sequences);
                for (std::size_t i = 1; i < generation_.accepted.size(); ++i) {
                    gates_before_[ids_.size() + i] = generation_.gates.sequence;
                }
                return;
            }
        }
        generation<Network, Policy>* sequences[] = {&generation_};
        early_exit<Network, Policy>(*network_, policy_).predict(context_, sequences);
    }

    /// Returns the generated tokens that exited early since the last prediction at full depth. Derived from their
    /// layers and not from the cache, which may hold more after a rollback.
    [[nodiscard]] std::size_t deferred_tokens() const noexcept {
        const auto deep = std::find(exit_layers_.rbegin(), exit_layers_.rend(), network_->shape().layers);
        const auto since = static_cast<std::size_t>(deep - exit_layers_.rbegin());
        return std::min(since, ids_.size() - 1);  // the first prediction is the last prompt token's
    }

    const Network* network_;
    Policy policy_;
    [[no_unique_address]] Drafter drafter_;
    session_executors executors_;
    generation_type generation_;
    run_context context_;

    // Of the current completion:
    std::size_t prompt_size_ = 0;
    std::vector<token_id> ids_;
    std::vector<std::size_t> exit_layers_;
    std::vector<float> log_probabilities_;
    std::vector<gate_state> gates_before_;  ///< before each prediction
    prediction last_;
    run_stats stats_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
