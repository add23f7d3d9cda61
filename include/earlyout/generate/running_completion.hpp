// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_RUNNING_COMPLETION_HPP
#define EARLYOUT_GENERATE_RUNNING_COMPLETION_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/generate/draw_token.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/prompt.hpp>
#include <earlyout/generate/run_stats.hpp>
#include <earlyout/generate/sequence_snapshot.hpp>
#include <earlyout/nn/network.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// One completion of one sequence, in token ids: what was predicted so far and the gate state to take it back to. It
/// runs nothing: between begin_step() and end_step() a step predicts.
/// @tparam Generation generation, or a type derived from it; one with drafts has `drafts` and `vocabulary`
template <network Network, class Policy, class Generation>
class running_completion {
    static constexpr bool may_draft = requires(Generation& g) { g.drafts; };
    using gate_state = typename Policy::plan_type::sequence_state;

public:
    /// Allocates everything that completions need.
    explicit running_completion(Generation made) : generation_(std::move(made)) {
        const std::size_t capacity = tokens().capacity();
        ids_.reserve(capacity + 1);
        exit_layers_.reserve(capacity + 1);
        log_probabilities_.reserve(capacity + 1);
        gates_before_.resize(capacity + 1);
    }

    /// Begins a completion with the tokens that it can reuse of those that it holds.
    /// @param drafter what the generation drafts with, if it does
    /// @return how many of the prompt's tokens these are: the others are to be pushed
    template <class Drafter>
    std::size_t start(const Policy& policy, const Drafter& drafter, std::span<const token_id> prompt,
                      generate_options options, const gate_state& gates) {
        generation_.options = std::move(options);
        generation_.gates.sequence = gates;
        generation_.counts = {};
        generation_.accepted.clear();
        generation_.signals.start_completion(prompt.size());
        generation_.signals.use_summaries(needs_argmax_alone<Network>(policy, generation_.options));
        generation_.signals.use_shortlist(!generation_.options.on_logits);
        ids_.clear();
        exit_layers_.clear();
        log_probabilities_.clear();
        prompt_size_ = prompt.size();
        stats_ = {};
        stats_.prompt_tokens = prompt.size();
        const std::size_t held_experts = tokens().active_experts();
        generation_.tokens.use_experts(active_experts_of(policy, generation_.options));
        // States that other numbers of experts led to are of no use.
        const bool is_like = held_experts == tokens().active_experts();
        stats_.reused_tokens = is_like ? reusable_prefix(generation_.tokens, prompt) : 0;
        roll_back_tokens(drafter, stats_.reused_tokens);
        if constexpr (may_draft) {
            generation_.drafts.counts = {};
            generation_.vocabulary.restart();
        }
        return stats_.reused_tokens;
    }
    /// Lets the next step predict from the prompt, all of which has been pushed.
    void begin_first_step() noexcept {
        generation_.is_prompt = true;
        generation_.deferred = 0;
        gates_before_[ids_.size()] = generation_.gates.sequence;
        limit_drafts();
    }
    /// Lets the next step predict from the last token of the completion.
    void begin_step(const Network& network) {
        generation_.tokens.push(network, ids_.back());
        generation_.is_prompt = false;
        generation_.deferred = deferred_tokens();
        ++stats_.decode_steps;
        gates_before_[ids_.size()] = generation_.gates.sequence;
        limit_drafts();
    }
    /// Records the work and time of a step.
    void end_step(const work_count& work, double seconds) noexcept {
        for (std::size_t i = 1; i < generation_.accepted.size(); ++i) {
            gates_before_[ids_.size() + i] = generation_.gates.sequence;
        }
        (generation_.is_prompt ? stats_.prefill : stats_.decode) += work;
        (generation_.is_prompt ? stats_.prefill_seconds : stats_.decode_seconds) += seconds;
    }
    /// Returns true when there is no prediction left of the last step.
    [[nodiscard]] bool needs_step() const noexcept { return generation_.accepted.empty(); }
    /// Returns the next prediction of the last step, of which there is one.
    [[nodiscard]] prediction take() {
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

    /// Removes all but the first `count` new tokens, as if they had never existed. If none is kept, neither is the
    /// prompt's last token: push it again and predict from the prompt.
    /// @return that token
    template <class Drafter>
    std::optional<token_id> rollback(const Drafter& drafter, std::size_t count) {
        generation_.gates.sequence = gates_before_[count];
        generation_.accepted.clear();
        ids_.resize(count);
        exit_layers_.resize(count);
        log_probabilities_.resize(count);
        stats_.stop_layer = 0;
        if (count != 0) {
            roll_back_tokens(drafter, prompt_size_ + count - 1);
            return std::nullopt;
        }
        const token_id last = tokens().ids()[prompt_size_ - 1];
        roll_back_tokens(drafter, prompt_size_ - 1);
        return last;
    }
    /// Removes tokens that were accepted after the last one that was taken.
    template <class Drafter>
    void discard_unread(const Drafter& drafter) {
        if (generation_.accepted.empty()) return;
        if (!ids_.empty()) roll_back_tokens(drafter, prompt_size_ + ids_.size() - 1);
        generation_.accepted.clear();
    }

    /// Replaces the tokens it holds by a snapshot's, whose pool they share; no completion has begun then.
    template <class Drafter>
    void restore(const Drafter& drafter, const sequence_snapshot& from) {
        roll_back_tokens(drafter, 0);
        generation_.tokens.restore(from, from.size());
        generation_.accepted.clear();
        ids_.clear();
        exit_layers_.clear();
        log_probabilities_.clear();
        prompt_size_ = 0;
    }

    /// Returns true once a completion has begun.
    [[nodiscard]] bool has_started() const noexcept { return prompt_size_ != 0; }
    /// Returns true when no position is left for a token after the last one that was taken.
    [[nodiscard]] bool is_full() const noexcept {
        return prompt_size_ + std::max<std::size_t>(ids_.size(), 1) - 1 == tokens().capacity();
    }
    [[nodiscard]] Generation& generation() noexcept { return generation_; }
    [[nodiscard]] const generate_options& options() const noexcept { return generation_.options; }
    [[nodiscard]] const sequence& tokens() const noexcept { return generation_.tokens; }
    [[nodiscard]] const prediction& last() const noexcept { return last_; }
    [[nodiscard]] const std::vector<token_id>& ids() const noexcept { return ids_; }
    [[nodiscard]] const std::vector<std::size_t>& exit_layers() const noexcept { return exit_layers_; }
    [[nodiscard]] const std::vector<float>& log_probabilities() const noexcept { return log_probabilities_; }
    /// Returns the statistics so far.
    /// @param drafters their names; see drafter_names()
    template <class Drafter>
    [[nodiscard]] run_stats stats(const Drafter& drafter) const {
        run_stats made =
            complete_stats(stats_, generation_.counts, exit_layers_, tokens().layers(), options().emit_at_stop);
        if constexpr (may_draft) add_drafts(made, generation_.drafts.counts, drafter_names(drafter));
        return made;
    }

private:
    template <class Drafter>
    void roll_back_tokens(const Drafter& drafter, std::size_t position) {
        generation_.tokens.rollback(position);
        if constexpr (may_draft) generation_.drafts.rollback(drafter, position);
    }
    /// Lets a step draft no more tokens than the completion may get.
    void limit_drafts() noexcept {
        if constexpr (may_draft) {
            const std::size_t left = options().max_new_tokens - std::min(options().max_new_tokens, ids_.size());
            // An observer of layers would see tokens that are not accepted.
            generation_.drafts.limit = options().after_layer || left == 0 ? 0 : left - 1;
        }
    }
    /// Returns the generated tokens that exited early since the last prediction at full depth. Derived from their
    /// layers and not from the cache, which may hold more after a rollback.
    [[nodiscard]] std::size_t deferred_tokens() const noexcept {
        const auto deep = std::find(exit_layers_.rbegin(), exit_layers_.rend(), tokens().layers());
        const auto since = static_cast<std::size_t>(deep - exit_layers_.rbegin());
        return std::min(since, ids_.size() - 1);  // the first prediction is the last prompt token's
    }

    Generation generation_;
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
