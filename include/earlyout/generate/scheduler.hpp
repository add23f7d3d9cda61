// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SCHEDULER_HPP
#define EARLYOUT_GENERATE_SCHEDULER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/completion.hpp>
#include <earlyout/generate/detail/completion_output.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/events.hpp>
#include <earlyout/generate/model.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/prefix_store.hpp>
#include <earlyout/generate/prompt.hpp>
#include <earlyout/generate/running_completion.hpp>
#include <earlyout/generate/sequence.hpp>
#include <earlyout/generate/session_executors.hpp>
#include <earlyout/generate/steps/batched.hpp>
#include <earlyout/nn/kv_pool.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Resources that a scheduler uses.
struct scheduler_options {
    std::size_t sequences = 4;   ///< max completions that run at once
    std::size_t capacity = 0;    ///< max tokens of a prompt with its completion; 0: the model's context, at most 4096
    std::size_t threads = 1;     ///< its own threads, including the caller's
    std::size_t block = 128;     ///< max tokens that run through a layer together
    std::size_t kv_pages = 0;    ///< pages of keys and values; 0: twice what `sequences` of full length take
    kv_format kv{};              ///< of keys and values
    executor* run_on = nullptr;  ///< external threads to use instead; must outlive the scheduler
    draft_options drafts{};      ///< for completions with drafts
    double max_stall = 0.1;      ///< seconds that a chunk of a prompt may delay the tokens of other completions
    std::size_t drafted_block = 16;  ///< max tokens of a block that hold drafts, of all sequences
};

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
    using clock = std::chrono::steady_clock;

public:
    /// Identifies a completion, from 1.
    using id = std::uint64_t;

    /// A completion to run.
    struct job {
        std::vector<token_id> prompt;
        generate_options options;
        std::shared_ptr<const Policy> policy;
        std::shared_ptr<const Drafter> drafter;
        bool reuses_prefix = true;  ///< begins with what earlier sequences hold; the output is the same
        bool only_prefill = false;  ///< computes and keeps the prompt, predicts nothing
        /// Called for each token, in order, during run(). Must not throw. None: not called.
        std::function<flow(const token_event&)> on_token{};
        /// Called once, after the last token, during run(). Must not throw.
        std::function<void(const completion&)> on_end{};
    };

    /// Allocates everything that steps need.
    /// @param model must outlive the scheduler
    /// @throws error for options that exceed what it or the system supports
    explicit scheduler(const Model& model, const scheduler_options& options = {})
        : model_(&model),
          options_(options),
          capacity_(resolved_capacity(model, {.capacity = options.capacity})),
          executors_(session_options{.threads = options.threads, .run_on = options.run_on}),
          pool_(std::make_shared<kv_pool>(shape(), options.kv, pages_of(options))),
          store_(pool_),
          step_(network_of(model), options.sequences, options.sequences * (draft::max_size + 1)),
          slots_(options.sequences) {
        batch_.reserve(options.sequences);
        require_scratch(0);
    }

    /// Checks what can be known of a job before it runs.
    /// @throws error naming what is wrong
    void check(const job& wanted) const {
        earlyout::check(wanted.options);
        std::vector<token_id> cut;
        (void)prepare_prompt(*model_, wanted.prompt, capacity_, wanted.options, cut);
        wanted.policy->plan.check(shape());
        const std::size_t tokens = longest(wanted.prompt.size(), wanted.options);
        if (pages_for_all(tokens) > pool_->pages()) {
            fail(errc::out_of_range, "prompt with max_new_tokens: expected at most ",
                 pool_->pages() / shape().layers * kv_pool::max_page_entries,
                 " tokens, for which there are pages of keys and values, found ", tokens);
        }
    }
    /// Queues a completion.
    /// @throws error as check()
    id submit(job wanted) {
        check(wanted);
        waiting_.push_back({++last_id_, std::move(wanted), clock::now()});
        return last_id_;
    }

    /// Runs one round: starts completions for which there is room, runs prompts, predicts and reports.
    /// @return false when there was nothing to do
    bool run() {
        end_cancelled();
        admit();
        const std::span<generation_type*> batch = choose();
        if (batch.empty()) return false;
        const clock::time_point begun = clock::now();
        step_.predict(*context_, batch);
        learn_speed(std::chrono::duration<double>(clock::now() - begun).count());
        for (auto& slot : slots_) {
            if (slot && slot->is_in_round)
                after_step(*slot, std::chrono::duration<double>(clock::now() - begun).count());
        }
        return true;
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::size_t running() const noexcept {
        return static_cast<std::size_t>(std::ranges::count_if(slots_, [](const auto& s) { return s && s->is_busy; }));
    }
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }
    [[nodiscard]] const kv_pool& pages() const noexcept { return *pool_; }
    [[nodiscard]] const work_count& work() const noexcept { return context_->work(); }
    [[nodiscard]] std::uint64_t rounds() const noexcept { return rounds_; }
    /// Returns the seconds that a token of a prompt took lately; 0 before any.
    [[nodiscard]] double prompt_token_seconds() const noexcept { return prompt_token_seconds_; }
    /// Returns how many of a prompt's first tokens earlier sequences hold.
    [[nodiscard]] std::size_t reusable(std::span<const token_id> prompt) const noexcept {
        std::size_t most = store_.longest(prompt).size;
        for (const auto& slot : slots_) {
            if (slot && !prompt.empty()) most = std::max(most, reusable_prefix(slot->running.tokens(), prompt));
        }
        return most;
    }
    /// State of one of the sequences.
    struct sequence_state {
        bool is_busy = false;
        std::size_t prompt_tokens = 0;
        std::size_t new_tokens = 0;
        std::size_t held_tokens = 0;
    };
    /// Returns the states of all sequences.
    [[nodiscard]] std::vector<sequence_state> states() const {
        std::vector<sequence_state> made;
        for (const auto& slot : slots_) {
            if (slot) {
                made.push_back(
                    {slot->is_busy, slot->prompt.size(), slot->running.ids().size(), slot->running.tokens().size()});
            } else {
                made.emplace_back();
            }
        }
        return made;
    }

private:
    /// A place for one sequence, with the last completion that used it.
    struct slot_type {
        slot_type(const Model& model, generation_type made, std::size_t capacity)
            : running(std::move(made)), output(model, capacity) {}

        running_completion<network_type, Policy, generation_type> running;
        detail::completion_output<Model> output;
        std::vector<token_id> prompt;
        std::size_t cut_tokens = 0;
        job of;
        id number = 0;
        bool is_busy = false;
        bool is_in_round = false;
        std::uint64_t last_use = 0;

        /// Returns true until the whole prompt has been pushed.
        [[nodiscard]] bool is_prompt_pending() const noexcept { return running.tokens().size() < prompt.size(); }
    };
    struct waiting_job {
        id number = 0;
        job of;
        clock::time_point submitted;
    };

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
    /// Returns the positions that a completion can take at most.
    [[nodiscard]] std::size_t longest(std::size_t prompt, const generate_options& options) const noexcept {
        return std::min(capacity_, prompt + std::min(options.max_new_tokens, capacity_));
    }
    void require_scratch(std::size_t bytes) {
        if (context_ && bytes <= scratch_bytes_) return;
        scratch_bytes_ = bytes;
        context_ = std::make_unique<run_context>(network(), options_.block, executors_.decode(), bytes);
    }

    /// Ends what was cancelled before it ran.
    void end_cancelled() {
        std::erase_if(waiting_, [](waiting_job& w) {
            if (!w.of.options.cancel.stop_requested()) return false;
            if (w.of.on_end) w.of.on_end({.finish_reason = finish_reason::cancelled});
            return true;
        });
        for (auto& slot : slots_) {
            if (!slot || !slot->is_busy || !slot->running.options().cancel.stop_requested()) continue;
            slot->output.finish(finish_reason::cancelled);
            end(*slot);
        }
    }

    /// Starts completions in the order in which they came, as long as there is a sequence and memory for the next one.
    void admit() {
        while (!waiting_.empty()) {
            waiting_job& next = waiting_.front();
            std::vector<token_id> cut;
            const auto prompt = prepare_prompt(*model_, next.of.prompt, capacity_, next.of.options, cut);
            std::unique_ptr<slot_type>* const slot = choose_slot(next.of, prompt);
            if (slot == nullptr || !start(*slot, next, prompt)) return;
            waiting_.pop_front();
        }
    }
    /// Returns the idle sequence that holds the most of a prompt, or else the one that was used the longest time ago.
    [[nodiscard]] std::unique_ptr<slot_type>* choose_slot(const job& wanted, std::span<const token_id> prompt) {
        std::unique_ptr<slot_type>* best = nullptr;
        std::size_t most = 0;
        for (auto& slot : slots_) {
            if (slot && slot->is_busy) continue;
            const bool fits = slot && slot->of.policy == wanted.policy && slot->of.drafter == wanted.drafter;
            const std::size_t held = fits && wanted.reuses_prefix ? reusable_prefix(slot->running.tokens(), prompt) : 0;
            const auto last_use = [](const auto& s) { return s ? s->last_use : 0; };
            if (best == nullptr || held > most || (held == most && last_use(slot) < last_use(*best))) {
                best = &slot;
                most = held;
            }
        }
        return best;
    }
    /// Starts a completion in an idle sequence.
    /// @return false when there is no memory for it now
    bool start(std::unique_ptr<slot_type>& slot, waiting_job& next, std::span<const token_id> prompt) {
        // The prompt begins with what the sequence holds, or with more that another one does.
        const bool fits = slot && slot->of.policy == next.of.policy && slot->of.drafter == next.of.drafter;
        const bool reuses = next.of.reuses_prefix;
        const std::size_t own = fits && reuses ? reusable_prefix(slot->running.tokens(), prompt) : 0;
        if (slot && slot->running.tokens().exact_prefix() > own + kept_from)
            store_.keep(shape(), slot->running.tokens());
        prefix_store::match found;
        if (reuses) {
            for (const auto& other : slots_) {
                if (!other || other == slot) continue;
                const std::size_t size = reusable_prefix(other->running.tokens(), prompt);
                if (size > std::max(own, store_.longest(prompt).size)) store_.keep(shape(), other->running.tokens());
            }
            found = store_.longest(prompt);
        }
        if (!fits) slot = nullptr;
        const bool restores = found.size > own;
        const std::size_t shared = restores ? found.size : own;
        if (slot) slot->running.generation().tokens.rollback(restores ? 0 : own);
        const std::size_t final_size = longest(prompt.size(), next.of.options);
        // Whole pages that are shared already are not needed again.
        const std::size_t needed = pages_for_all(final_size) - shape().layers * (shared / kv_pool::max_page_entries);
        if (!make_room(needed, slot, restores ? found.snapshot : nullptr)) return false;

        if (!slot) {
            require_scratch(
                head_scratch_bytes(next.of.policy->head, std::max(options_.block, options_.sequences * 16)));
            slot = std::make_unique<slot_type>(
                *model_,
                generation_type(network(), next.of.policy, next.of.drafter, sequence(shape(), capacity_, pool_),
                                options_.block, options_.drafts),
                capacity_);
        }
        if (restores) {
            slot->running.generation().tokens.restore(*found.snapshot, found.size);
            store_.touch(found.snapshot);
        }
        begin(*slot, next, prompt);
        return true;
    }
    void begin(slot_type& slot, waiting_job& next, std::span<const token_id> prompt) {
        slot.cut_tokens = next.of.prompt.size() - prompt.size();
        slot.prompt.assign(prompt.begin(), prompt.end());
        slot.of = std::move(next.of);
        slot.number = next.number;
        slot.is_busy = true;
        slot.output.prepare(slot.of.options);
        (void)slot.running.start(*slot.of.policy, *slot.of.drafter, slot.prompt, slot.of.options,
                                 slot.of.policy->plan.start_sequence());
        slot.running.note_cut(slot.cut_tokens);
        slot.running.generation().is_prompt = true;
        slot.output.restart(slot.running.options(), next.submitted);
    }
    /// Drops sequences that have ended until so many pages are free, besides those that running ones may take.
    bool make_room(std::size_t pages, const std::unique_ptr<slot_type>& kept, const sequence_snapshot* source) {
        const auto reserved = [&] {
            std::size_t sum = 0;
            for (const auto& slot : slots_) {
                if (slot && slot->is_busy) {
                    sum += slot->running.tokens().pages_to_grow(longest(slot->prompt.size(), slot->running.options()));
                }
            }
            return sum;
        };
        while (pool_->available() < reserved() + pages) {
            if (store_.drop_oldest(source)) continue;
            std::unique_ptr<slot_type>* oldest = nullptr;
            for (auto& slot : slots_) {
                if (!slot || slot->is_busy || slot == kept || slot->running.tokens().size() == 0) continue;
                if (oldest == nullptr || slot->last_use < (*oldest)->last_use) oldest = &slot;
            }
            if (oldest == nullptr) return false;
            (*oldest)->running.generation().tokens.rollback(0);
        }
        return true;
    }

    /// Returns the sequences of the next round, ready for it: all that predict, and prompts up to a chunk of tokens.
    [[nodiscard]] std::span<generation_type*> choose() {
        batch_.clear();
        round_prompt_tokens_ = 0;
        std::size_t predicting = 0;
        for (auto& slot : slots_) {
            if (slot) slot->is_in_round = false;
            if (!slot || !slot->is_busy || slot->running.generation().is_prompt) continue;
            slot->running.begin_step(network());
            add(*slot, generation_type::stage::predict);
            ++predicting;
        }
        std::size_t left = chunk(predicting != 0);
        for (slot_type* const slot : prompts()) {
            if (left == 0) break;
            const std::size_t done = slot->running.tokens().size();
            const std::size_t count = std::min(left, slot->prompt.size() - done);
            left -= count;
            round_prompt_tokens_ += count;
            for (const token_id id : std::span(slot->prompt).subspan(done, count)) {
                slot->running.generation().tokens.push(network(), id);
            }
            const bool predicts = done + count == slot->prompt.size() && !slot->of.only_prefill;
            if (predicts) slot->running.begin_first_step();
            add(*slot, predicts ? generation_type::stage::predict : generation_type::stage::prefill);
        }
        // A block of several sequences leaves each less room for drafts.
        if (predicting != 0) {
            const std::size_t room = std::max<std::size_t>(options_.drafted_block / predicting, 1) - 1;
            for (generation_type* const g : batch_) g->drafts.limit = std::min(g->drafts.limit, room);
        }
        return batch_;
    }
    void add(slot_type& slot, typename generation_type::stage next) {
        slot.is_in_round = true;
        slot.running.generation().next = next;
        batch_.push_back(&slot.running.generation());
    }
    /// Returns the prompts that have not run, the first to come first.
    [[nodiscard]] std::vector<slot_type*> prompts() {
        std::vector<slot_type*> made;
        for (auto& slot : slots_) {
            if (slot && slot->is_busy && slot->running.generation().is_prompt) made.push_back(slot.get());
        }
        std::ranges::sort(made, {}, &slot_type::number);
        return made;
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
        if (2 * round_prompt_tokens_ < batch_.size() || round_prompt_tokens_ < 4) return;
        const double now = seconds / static_cast<double>(round_prompt_tokens_);
        prompt_token_seconds_ = prompt_token_seconds_ == 0.0 ? now : 0.8 * prompt_token_seconds_ + 0.2 * now;
    }

    /// Reports what a step predicted.
    void after_step(slot_type& slot, double seconds) {
        auto& running = slot.running;
        running.end_step(running.generation().work, seconds);
        if (running.generation().next == generation_type::stage::prefill && running.needs_step()) {
            if (slot.of.only_prefill && !slot.is_prompt_pending()) {
                slot.output.finish(finish_reason::max_new_tokens);
                end(slot);
            }
            return;
        }
        while (!running.needs_step() && !slot.output.finished()) {
            const std::optional<token_event> event = detail::add_prediction(running, slot.output, running.take());
            if (!event || !slot.of.on_token) continue;
            if (slot.of.on_token(*event) == flow::stop && !slot.output.finished()) {
                slot.output.finish(finish_reason::callback);
            }
        }
        running.generation().is_prompt = false;
        if (slot.output.finished()) end(slot);
    }
    void end(slot_type& slot) {
        slot.running.discard_unread(*slot.of.drafter);
        slot.is_busy = false;
        slot.last_use = ++uses_;
        if (slot.of.on_end) {
            slot.of.on_end(detail::completed(slot.running, slot.output, slot.running.stats(*slot.of.drafter)));
        }
        slot.of.on_token = nullptr;
        slot.of.on_end = nullptr;
    }

    /// Tokens that a sequence must hold beyond a new prompt's for them to be kept.
    static constexpr std::size_t kept_from = 32;

    const Model* model_;
    scheduler_options options_;
    std::size_t capacity_;
    session_executors executors_;
    std::shared_ptr<kv_pool> pool_;
    prefix_store store_;
    std::size_t scratch_bytes_ = 0;
    std::unique_ptr<run_context> context_;
    step_type step_;
    std::vector<std::unique_ptr<slot_type>> slots_;
    std::deque<waiting_job> waiting_;
    std::vector<generation_type*> batch_;
    std::size_t round_prompt_tokens_ = 0;
    double prompt_token_seconds_ = 0.0;
    std::uint64_t rounds_ = 0;
    std::uint64_t uses_ = 0;
    id last_id_ = 0;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
