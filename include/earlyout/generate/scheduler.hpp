// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SCHEDULER_HPP
#define EARLYOUT_GENERATE_SCHEDULER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/generate/completion.hpp>
#include <earlyout/generate/completion_job.hpp>
#include <earlyout/generate/detail/completion_output.hpp>
#include <earlyout/generate/detail/sequence_slots.hpp>
#include <earlyout/generate/detail/waiting_jobs.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/events.hpp>
#include <earlyout/generate/model.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/prompt.hpp>
#include <earlyout/generate/scheduler_options.hpp>
#include <earlyout/generate/session_executors.hpp>
#include <earlyout/generate/steps/batched.hpp>
#include <earlyout/nn/kv_pool.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Runs any number of completions together on one run_context: every round predicts tokens for all that are generating
/// and runs chunks of prompts between them. Each completion has its own policy, drafter, sampler and limits, and its
/// output is that of a session, bit for bit.
///
/// Prompts begin with what they have in common with earlier sequences, whose keys and values are shared. All memory for
/// keys and values is reserved at construction; a completion waits until there is enough for its longest outcome.
/// Sequences that have ended stay until their memory is needed, the least recently used first.
///
/// One thread at a time may use it.
template <model Model, class Policy, drafter Drafter>
class scheduler {
    using network_type = network_type_of<Model>;
    using step_type = batched<network_type, Policy, Drafter>;
    using generation_type = typename step_type::generation_type;
    using slots = detail::sequence_slots<Model, Policy, Drafter>;
    using slot = typename slots::slot;
    using clock = std::chrono::steady_clock;

public:
    using job = completion_job<Policy, Drafter>;

    /// Allocates everything that steps need.
    /// @param model must outlive the scheduler
    /// @throws error for options that exceed what it or the system supports
    explicit scheduler(const Model& model, const scheduler_options& options = {})
        : model_(&model),
          options_(options),
          capacity_(resolved_capacity(model, {.capacity = options.capacity})),
          executors_(session_options{.threads = options.threads, .run_on = options.run_on}),
          slots_(model, options.sequences, capacity_, options.block, options.drafts,
                 std::make_shared<kv_pool>(shape(), options.kv, pages_of(options))),
          step_(network(), options.sequences, options.sequences * (draft::max_size + 1)) {
        batch_.reserve(options.sequences);
        prompts_.reserve(options.sequences);
        require_scratch(0);
    }

    /// Checks what can be known of a job before it runs.
    /// @throws error naming what is wrong
    void check(const job& wanted) const {
        earlyout::check(wanted.options, shape());
        std::vector<token_id> cut;
        (void)prepare_prompt(*model_, wanted.prompt, capacity_, wanted.options, cut);
        wanted.policy->plan.check(shape());
        if constexpr (requires { wanted.policy->head.check(shape()); }) wanted.policy->head.check(shape());
        check_active_experts(wanted.policy->active_experts, shape());
        const std::size_t tokens = slots_.longest(wanted.prompt.size(), wanted.options);
        if (pages_for_all(tokens) > pages().pages()) {
            fail(errc::out_of_range, "prompt with max_new_tokens: expected at most ",
                 pages().pages() / shape().layers * kv_pool::max_page_entries,
                 " tokens, for which there are pages of keys and values, found ", tokens);
        }
    }
    /// Queues a completion.
    /// @throws error as check()
    void submit(job wanted) {
        check(wanted);
        waiting_.push(std::move(wanted));
    }

    /// Runs one round: starts completions for which there is room, runs prompts, predicts and reports.
    /// @return false when there was nothing to do
    /// @throws what ended a completion that has no on_error: one that could not begin, or all that ran in a round that
    ///         failed. The others go on in the next round
    bool run() {
        end_cancelled();
        admit();
        const std::span<generation_type*> batch = choose();
        if (batch.empty()) return false;
        const clock::time_point begun = clock::now();
        try {
            step_.predict(*context_, batch);
        } catch (...) {
            end_round(std::current_exception());
            return true;
        }
        learn_speed(std::chrono::duration<double>(clock::now() - begun).count());
        for (const auto& one : slots_.all()) {
            if (one && one->is_in_round) after_step(*one, std::chrono::duration<double>(clock::now() - begun).count());
        }
        return true;
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::size_t running() const noexcept {
        return static_cast<std::size_t>(
            std::ranges::count_if(slots_.all(), [](const auto& s) { return s && s->is_busy; }));
    }
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }
    [[nodiscard]] const kv_pool& pages() const noexcept { return slots_.pool(); }
    [[nodiscard]] work_count work() const noexcept { return earlier_work_ + context_->work(); }
    [[nodiscard]] std::uint64_t rounds() const noexcept { return rounds_; }
    /// Returns the seconds that a token of a prompt took lately; 0 before any.
    [[nodiscard]] double prompt_token_seconds() const noexcept { return prompt_token_seconds_; }
    /// Returns how many of a prompt's first tokens earlier sequences hold.
    /// @param active_experts that its tokens choose in mixtures; 0: the model's own number
    [[nodiscard]] std::size_t reusable(std::span<const token_id> prompt,
                                       std::size_t active_experts = 0) const noexcept {
        return slots_.reusable(prompt, active_experts);
    }
    using sequence_state = detail::slot_activity;
    /// Returns the states of all sequences.
    [[nodiscard]] std::vector<sequence_state> states() const { return slots_.states(); }

private:
    [[nodiscard]] const network_type& network() const noexcept { return network_of(*model_); }
    [[nodiscard]] const model_shape& shape() const noexcept { return network().shape(); }
    [[nodiscard]] std::size_t pages_for_all(std::size_t tokens) const noexcept {
        return shape().layers * kv_pool::pages_for(tokens);
    }
    [[nodiscard]] std::size_t pages_of(const scheduler_options& options) const {
        if (options.sequences == 0) fail(errc::invalid_argument, "sequences: expected at least 1, found 0");
        if (options.block == 0) fail(errc::invalid_argument, "block: expected at least 1 token, found 0");
        return options.kv_pages != 0 ? options.kv_pages : 2 * options.sequences * pages_for_all(capacity_);
    }
    /// Sees to it that heads have enough scratch memory.
    void require_scratch(std::size_t bytes) {
        if (context_ && bytes <= scratch_bytes_) return;
        if (context_) earlier_work_ += context_->work();
        scratch_bytes_ = bytes;
        context_ = std::make_unique<run_context>(network(), options_.block, executors_.decode(), bytes);
    }

    void end_cancelled() {
        waiting_.end_cancelled();
        for (const auto& one : slots_.all()) {
            if (!one || !one->is_busy || !one->running.options().cancel.stop_requested()) continue;
            one->output.finish(finish_reason::cancelled);
            end(*one);
        }
    }
    /// Starts completions for which there is a sequence and memory.
    void admit() {
        waiting_.admit([&](detail::waiting_job<job>& next) {
            std::vector<token_id> cut;
            const auto prompt = prepare_prompt(*model_, next.of.prompt, capacity_, next.of.options, cut);
            require_scratch(head_scratch_bytes(next.of.policy->head,
                                               std::max(options_.block, options_.sequences * (draft::max_size + 1))));
            return slots_.start(next, prompt);
        });
    }

    /// Returns the sequences of the next round, ready for it: all that predict, and prompts up to a chunk of tokens.
    [[nodiscard]] std::span<generation_type*> choose() {
        batch_.clear();
        round_prompt_tokens_ = 0;
        prompts_.clear();
        for (const auto& one : slots_.all()) {
            if (!one) continue;
            one->is_in_round = false;
            if (!one->is_busy) continue;
            if (one->running.generation().is_prompt) {
                prompts_.push_back(one.get());
                continue;
            }
            one->running.begin_step(network());
            add(*one, generation_type::stage::predict);
        }
        const std::size_t predicting = batch_.size();
        std::ranges::sort(prompts_, {}, &slot::number);  // first come, first served
        std::size_t left = chunk(predicting != 0);
        for (slot* const one : prompts_) {
            if (left == 0) break;
            const std::size_t count = std::min(left, one->prompt_left().size());
            left -= count;
            round_prompt_tokens_ += count;
            for (const token_id id : one->prompt_left().first(count)) {
                one->running.generation().tokens.push(network(), id);
            }
            const bool predicts = one->prompt_left().empty() && !one->of.only_prefill;
            if (predicts) one->running.begin_first_step();
            add(*one, predicts ? generation_type::stage::predict : generation_type::stage::prefill);
        }
        // A block of several sequences leaves each less room for drafts.
        const std::size_t room =
            std::max<std::size_t>(options_.drafted_block / std::max<std::size_t>(predicting, 1), 1);
        for (generation_type* const g : batch_) g->drafts.limit = std::min(g->drafts.limit, room - 1);
        return batch_;
    }
    void add(slot& one, typename generation_type::stage next) {
        one.is_in_round = true;
        one.running.generation().next = next;
        batch_.push_back(&one.running.generation());
    }
    /// Returns the tokens of prompts to run in a round.
    [[nodiscard]] std::size_t chunk(bool delays_others) const noexcept {
        if (!delays_others || prompt_token_seconds_ <= 0.0) return options_.block;
        constexpr double least = 8.0;
        return static_cast<std::size_t>(
            std::clamp(options_.max_stall / prompt_token_seconds_, least, static_cast<double>(options_.block)));
    }
    void learn_speed(double seconds) noexcept {
        ++rounds_;
        if (round_prompt_tokens_ < 4 * batch_.size()) return;
        const double now = seconds / static_cast<double>(round_prompt_tokens_);
        prompt_token_seconds_ = prompt_token_seconds_ == 0.0 ? now : 0.8 * prompt_token_seconds_ + 0.2 * now;
    }

    /// Reports what a step predicted.
    void after_step(slot& one, double seconds) {
        auto& running = one.running;
        running.end_step(running.generation().work, seconds);
        if (running.generation().next == generation_type::stage::prefill && running.needs_step()) {
            if (!one.of.only_prefill || !one.prompt_left().empty()) return;
            one.output.finish(finish_reason::max_new_tokens);
        }
        running.generation().is_prompt = false;
        while (!running.needs_step() && !one.output.finished()) {
            const std::optional<token_event> event = detail::add_prediction(running, one.output, running.take());
            if (!event || !one.of.on_token) continue;
            if (one.of.on_token(*event) == flow::stop && !one.output.finished()) {
                one.output.finish(finish_reason::callback);
            }
        }
        if (one.output.finished()) end(one);
    }
    /// Ends the completions of a round that failed. What their sequences hold is unknown.
    void end_round(const std::exception_ptr& error) {
        bool is_reported = true;
        for (auto& one : slots_.all()) {
            if (!one || !one->is_in_round) continue;
            const auto on_error = std::move(one->of.on_error);
            one = nullptr;
            is_reported = is_reported && on_error;
            if (on_error) on_error(error);
        }
        if (!is_reported) std::rethrow_exception(error);
    }
    void end(slot& one) {
        one.running.discard_unread(*one.of.drafter);
        slots_.end(one);
        one.of.on_token = nullptr;
        one.of.on_error = nullptr;
        if (const auto on_end = std::exchange(one.of.on_end, nullptr)) {
            on_end(detail::completed(one.running, one.output, one.running.stats(*one.of.drafter)));
        }
    }

    const Model* model_;
    scheduler_options options_;
    std::size_t capacity_;
    session_executors executors_;
    slots slots_;
    std::size_t scratch_bytes_ = 0;
    std::unique_ptr<run_context> context_;
    work_count earlier_work_;
    step_type step_;
    detail::waiting_jobs<job> waiting_;
    std::vector<generation_type*> batch_;
    std::vector<slot*> prompts_;
    std::size_t round_prompt_tokens_ = 0;
    double prompt_token_seconds_ = 0.0;
    std::uint64_t rounds_ = 0;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
