// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_RUNNER_HPP
#define EARLYOUT_GENERATE_RUNNER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/no_drafts.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/run_stats.hpp>
#include <earlyout/generate/running_completion.hpp>
#include <earlyout/generate/sequence_snapshot.hpp>
#include <earlyout/generate/session_executors.hpp>
#include <earlyout/generate/steps/early_exit.hpp>
#include <earlyout/generate/steps/speculative.hpp>
#include <earlyout/nn/network.hpp>
#include <earlyout/nn/run_context.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// One sequence on a run_context of its own: it runs the steps of a running_completion. It handles token ids only;
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
          completion_(make_generation(capacity, options)),
          context_(network, checked_block(options), executors_.widest(),
                   head_scratch_bytes(policy_.head, checked_block(options))) {}

    /// Makes a runner that does not draft.
    runner(const Network& network, Policy policy, std::size_t capacity, const session_options& options)
        requires(std::is_same_v<Drafter, no_drafts>)
        : runner(network, std::move(policy), Drafter{}, capacity, options) {}

    /// Returns the gate state that a completion starts with.
    [[nodiscard]] gate_state initial_gates() const { return policy_.plan.start_sequence(); }

    /// Begins a completion: reuses what it can of the tokens it holds, runs the prompt and makes the first prediction.
    void start(std::span<const token_id> prompt, generate_options options, const gate_state& gates) {
        const std::size_t reused = completion_.start(policy_, drafter_, prompt, std::move(options), gates);
        for (const token_id id : prompt.subspan(reused)) completion_.generation().tokens.push(*network_, id);
        completion_.begin_first_step();
        predict(executors_.prefill());
    }

    /// Returns the next prediction, running a step if none is pending; nothing when no position is left.
    [[nodiscard]] std::optional<prediction> next() {
        if (completion_.needs_step()) {
            if (completion_.is_full()) return std::nullopt;
            completion_.begin_step(*network_);
            predict(executors_.decode());
        }
        return completion_.take();
    }
    /// Replaces the tokens it holds by a snapshot's, whose pool it shares.
    void restore(const sequence_snapshot& from) { completion_.restore(drafter_, from); }
    /// Removes all but the first `count` new tokens, as if they had never existed.
    void rollback(std::size_t count) {
        const std::optional<token_id> last_of_prompt = completion_.rollback(drafter_, count);
        if (!last_of_prompt) return;
        completion_.generation().tokens.push(*network_, *last_of_prompt);
        completion_.begin_first_step();
        predict(executors_.prefill());
    }
    /// Removes tokens that were accepted after the last one that next() returned.
    void discard_unread() { completion_.discard_unread(drafter_); }

    [[nodiscard]] running_completion<Network, Policy, generation_type>& completion() noexcept { return completion_; }
    [[nodiscard]] const running_completion<Network, Policy, generation_type>& completion() const noexcept {
        return completion_;
    }
    [[nodiscard]] run_stats stats() const { return completion_.stats(drafter_); }

private:
    static Policy checked(Policy policy, const Network& network) {
        policy.plan.check(network.shape());
        if constexpr (requires { policy.head.check(network.shape()); }) policy.head.check(network.shape());
        check_active_experts(policy.active_experts, network.shape());
        return policy;
    }
    static std::size_t checked_block(const session_options& options) {
        if (options.block == 0) fail(errc::invalid_argument, "block: expected at least 1 token, found 0");
        return options.block;
    }
    std::shared_ptr<kv_pool> checked_pool(std::size_t capacity, const std::shared_ptr<kv_pool>& pool) const {
        const std::size_t pages = network_->shape().layers * kv_pool::pages_for(capacity);
        if (pool->available() < pages || pool->page_entries() < kv_pool::page_entries_for(capacity)) {
            fail(errc::invalid_argument, "pool: expected ", pages, " free pages of ",
                 kv_pool::page_entries_for(capacity), " entries for ", capacity, " tokens, found ", pool->available(),
                 " of ", pool->page_entries());
        }
        return pool;
    }
    generation_type make_generation(std::size_t capacity, const session_options& options) const {
        sequence tokens = options.pool ? sequence(network_->shape(), capacity, checked_pool(capacity, options.pool))
                                       : sequence(network_->shape(), capacity, options.kv);
        if constexpr (may_draft) {
            return {*network_, policy_, drafter_, std::move(tokens), options.block, options.drafts};
        } else {
            return {*network_, policy_, std::move(tokens)};
        }
    }
    void predict(executor& on) {
        const clock::time_point begun = clock::now();
        const work_count before = context_.work();
        context_.run_on(on);
        const auto& after_layer = completion_.options().after_layer;
        context_.observe_layers(after_layer ? std::optional<layer_observer>(after_layer) : std::nullopt);
        run_step();
        completion_.end_step(context_.work() - before, std::chrono::duration<double>(clock::now() - begun).count());
    }
    void run_step() {
        if constexpr (may_draft) {
            if (verifies_drafts(policy_, drafter_)) {
                generation_type* sequences[] = {&completion_.generation()};
                speculative<Network, Policy, Drafter>(*network_, policy_, drafter_).predict(context_, sequences);
                return;
            }
        }
        generation<Network, Policy>* sequences[] = {&completion_.generation()};
        early_exit<Network, Policy>(*network_, policy_).predict(context_, sequences);
    }

    const Network* network_;
    Policy policy_;
    [[no_unique_address]] Drafter drafter_;
    session_executors executors_;
    running_completion<Network, Policy, generation_type> completion_;
    run_context context_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
