// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_SEQUENCE_SLOTS_HPP
#define EARLYOUT_GENERATE_DETAIL_SEQUENCE_SLOTS_HPP

#include <earlyout/core/shape.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/completion_job.hpp>
#include <earlyout/generate/detail/completion_output.hpp>
#include <earlyout/generate/detail/waiting_jobs.hpp>
#include <earlyout/generate/model.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/prefix_store.hpp>
#include <earlyout/generate/prompt.hpp>
#include <earlyout/generate/running_completion.hpp>
#include <earlyout/generate/sequence.hpp>
#include <earlyout/generate/steps/batched.hpp>
#include <earlyout/nn/kv_pool.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// What a place for a sequence is doing.
struct slot_activity {
    bool is_busy = false;
    std::size_t prompt_tokens = 0;
    std::size_t new_tokens = 0;
    std::size_t held_tokens = 0;
};

/// A place for one sequence, with the last completion that used it.
template <model Model, class Policy, drafter Drafter>
struct sequence_slot {
    using network_type = network_type_of<Model>;
    using generation_type = batched_generation<network_type, Policy, Drafter>;

    sequence_slot(const Model& model, generation_type made, std::size_t capacity)
        : running(std::move(made)), output(model, capacity) {}

    /// Returns true if a job can use the sequence with what it has allocated.
    [[nodiscard]] bool fits(const completion_job<Policy, Drafter>& job) const noexcept {
        return of.policy == job.policy && of.drafter == job.drafter;
    }
    /// Begins a completion with what the sequence holds of the prompt.
    void begin(waiting_job<completion_job<Policy, Drafter>>& next, std::span<const token_id> tokens) {
        const std::size_t cut = next.of.prompt.size() - tokens.size();
        prompt.assign(tokens.begin(), tokens.end());
        of = std::move(next.of);
        number = next.number;
        is_busy = true;
        output.prepare(of.options);
        (void)running.start(*of.policy, *of.drafter, prompt, of.options, of.policy->plan.start_sequence());
        running.note_cut(cut);
        running.generation().is_prompt = true;
        output.restart(running.options(), next.submitted);
    }

    /// Returns the tokens of the prompt that have not been pushed.
    [[nodiscard]] std::span<const token_id> prompt_left() const noexcept {
        return std::span(prompt).subspan(std::min(prompt.size(), running.tokens().size()));
    }

    running_completion<network_type, Policy, generation_type> running;
    completion_output<Model> output;
    std::vector<token_id> prompt;
    completion_job<Policy, Drafter> of;
    std::uint64_t number = 0;
    bool is_busy = false;
    bool is_in_round = false;
    std::uint64_t last_use = 0;
};

/// Sequences, their pages, and those that have ended.
template <model Model, class Policy, drafter Drafter>
class sequence_slots {
public:
    using job = completion_job<Policy, Drafter>;
    using slot = sequence_slot<Model, Policy, Drafter>;

    sequence_slots(const Model& model, std::size_t count, std::size_t capacity, std::size_t block,
                   const draft_options& drafts, std::shared_ptr<kv_pool> pool)
        : model_(&model),
          capacity_(capacity),
          block_(block),
          drafts_(drafts),
          pool_(std::move(pool)),
          store_(pool_),
          slots_(count) {}

    [[nodiscard]] const kv_pool& pool() const noexcept { return *pool_; }
    [[nodiscard]] std::vector<std::unique_ptr<slot>>& all() noexcept { return slots_; }
    [[nodiscard]] const std::vector<std::unique_ptr<slot>>& all() const noexcept { return slots_; }

    /// Returns the positions that a completion can take at most.
    [[nodiscard]] std::size_t longest(std::size_t prompt, const generate_options& options) const noexcept {
        return std::min(capacity_, prompt + std::min(options.max_new_tokens, capacity_));
    }
    /// Returns how many of a prompt's first tokens earlier sequences hold.
    /// @param active_experts that its tokens choose; 0: the model's own number
    [[nodiscard]] std::size_t reusable(std::span<const token_id> prompt, std::size_t active_experts) const noexcept {
        const std::size_t experts = active_experts != 0 ? active_experts : shape().active_experts;
        std::size_t most = store_.longest(prompt, experts).size;
        for (const auto& one : slots_) {
            if (one && !prompt.empty()) most = std::max(most, held_of(one->running.tokens(), experts, prompt));
        }
        return most;
    }
    [[nodiscard]] std::vector<slot_activity> states() const {
        std::vector<slot_activity> made(slots_.size());
        for (std::size_t i = 0; i < made.size(); ++i) {
            if (!slots_[i]) continue;
            const slot& one = *slots_[i];
            made[i] = {one.is_busy, one.prompt.size(), one.running.ids().size(), one.running.tokens().size()};
        }
        return made;
    }
    /// Starts a completion in an idle sequence.
    /// @return null when there is none, or no memory for it now
    [[nodiscard]] slot* start(waiting_job<job>& next, std::span<const token_id> prompt) {
        std::unique_ptr<slot>* const chosen = choose(next.of, prompt);
        return chosen != nullptr && start(*chosen, next, prompt) ? chosen->get() : nullptr;
    }
    /// Records that a sequence's completion has ended.
    void end(slot& of) noexcept {
        of.is_busy = false;
        of.last_use = ++uses_;
    }

private:
    using holder = std::unique_ptr<slot>;

    [[nodiscard]] const auto& network() const noexcept { return network_of(*model_); }
    [[nodiscard]] const model_shape& shape() const noexcept { return network().shape(); }
    [[nodiscard]] static sequence& tokens_of(holder& of) noexcept { return of->running.generation().tokens; }
    /// Returns how much of a prompt a sequence holds that a job can go on with.
    [[nodiscard]] std::size_t held(const holder& of, const job& wanted, std::span<const token_id> prompt) const {
        if (!of || !of->fits(wanted) || !wanted.reuses_prefix) return 0;
        return held_of(of->running.tokens(), experts_of(wanted), prompt);
    }
    [[nodiscard]] static std::size_t held_of(const sequence& tokens, std::size_t experts,
                                             std::span<const token_id> prompt) noexcept {
        return tokens.active_experts() == experts ? reusable_prefix(tokens, prompt) : 0;
    }
    [[nodiscard]] std::size_t experts_of(const job& wanted) const noexcept {
        const std::size_t active = active_experts_of(*wanted.policy, wanted.options);
        return active != 0 ? active : shape().active_experts;
    }

    /// Returns the idle sequence that holds the most of a prompt, or else the one that was used the longest time ago.
    [[nodiscard]] holder* choose(const job& wanted, std::span<const token_id> prompt) {
        holder* best = nullptr;
        std::size_t most = 0;
        for (holder& one : slots_) {
            if (one && one->is_busy) continue;
            const std::size_t size = held(one, wanted, prompt);
            const auto last_use = [](const holder& of) { return of ? of->last_use : 0; };
            if (best == nullptr || size > most || (size == most && last_use(one) < last_use(*best))) {
                best = &one;
                most = size;
            }
        }
        return best;
    }
    /// Starts a completion in an idle sequence.
    /// @return false when there is no memory for it now
    [[nodiscard]] bool start(holder& in, waiting_job<job>& next, std::span<const token_id> prompt) {
        // The prompt begins with what the sequence holds, or with more that another one does.
        const std::size_t own = held(in, next.of, prompt);
        if (in && in->running.tokens().exact_prefix() > own + kept_from) store_.keep(shape(), in->running.tokens());
        prefix_store::match found;
        if (next.of.reuses_prefix) {
            keep_if_longest(in, own, prompt, experts_of(next.of));
            found = store_.longest(prompt, experts_of(next.of));
        }
        if (in && !in->fits(next.of)) in = nullptr;
        if (found.size <= own) found = {};
        if (in) tokens_of(in).rollback(found.size != 0 ? 0 : own);

        const std::size_t size = longest(prompt.size(), next.of.options);
        // Whole pages that are shared are not needed again.
        const std::size_t needed =
            in && found.size == 0
                ? tokens_of(in).pages_to_grow(size)
                : shape().layers * (kv_pool::pages_for(size) - found.size / kv_pool::max_page_entries);
        if (!make_room(needed, in, found.snapshot)) {
            if (is_any_busy()) return false;
            // What the prompt could begin with takes too much itself.
            found = {};
            while (store_.drop_oldest()) {
            }
            for (holder& one : slots_) {
                if (one) tokens_of(one).rollback(0);
            }
        }
        if (!in) {
            in = std::make_unique<slot>(
                *model_,
                typename slot::generation_type(network(), next.of.policy, next.of.drafter,
                                               sequence(shape(), capacity_, pool_), block_, drafts_),
                capacity_);
        }
        try {
            if (found.size != 0) {
                tokens_of(in).restore(*found.snapshot, found.size);
                store_.touch(found.snapshot);
            }
            in->begin(next, prompt);
        } catch (...) {
            in = nullptr;  // its state is unknown
            throw;
        }
        return true;
    }
    /// Keeps what another sequence holds of a prompt, if that is more than anything else.
    void keep_if_longest(const holder& in, std::size_t own, std::span<const token_id> prompt, std::size_t experts) {
        for (const holder& other : slots_) {
            if (!other || other == in) continue;
            const std::size_t size = held_of(other->running.tokens(), experts, prompt);
            if (size > std::max(own, store_.longest(prompt, experts).size)) {
                store_.keep(shape(), other->running.tokens());
            }
        }
    }
    [[nodiscard]] bool is_any_busy() const noexcept {
        return std::ranges::any_of(slots_, [](const holder& one) { return one && one->is_busy; });
    }
    /// Returns the pages that running completions may still take.
    [[nodiscard]] std::size_t reserved_pages() const noexcept {
        std::size_t sum = 0;
        for (const holder& one : slots_) {
            if (!one || !one->is_busy) continue;
            sum += one->running.tokens().pages_to_grow(longest(one->prompt.size(), one->running.options()));
        }
        return sum;
    }
    /// Drops sequences that have ended until this many pages are free, besides those that running ones may take.
    /// @return false when that is not possible without what is kept
    [[nodiscard]] bool make_room(std::size_t pages, const holder& kept, const sequence_snapshot* source) {
        while (pool_->available() < reserved_pages() + pages) {
            if (store_.drop_oldest(source)) continue;
            holder* oldest = nullptr;
            for (holder& one : slots_) {
                if (!one || one->is_busy || one == kept || one->running.tokens().size() == 0) continue;
                if (oldest == nullptr || one->last_use < (*oldest)->last_use) oldest = &one;
            }
            if (oldest == nullptr) return false;
            tokens_of(*oldest).rollback(0);
        }
        return true;
    }

    /// Tokens that a sequence must hold beyond a new prompt's for them to be kept.
    static constexpr std::size_t kept_from = 32;

    const Model* model_;
    std::size_t capacity_;
    std::size_t block_;
    draft_options drafts_;
    std::shared_ptr<kv_pool> pool_;
    prefix_store store_;
    std::vector<std::unique_ptr<slot>> slots_;
    std::uint64_t uses_ = 0;
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
