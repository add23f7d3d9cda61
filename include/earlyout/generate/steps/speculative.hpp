// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_STEPS_SPECULATIVE_HPP
#define EARLYOUT_GENERATE_STEPS_SPECULATIVE_HPP

#include <earlyout/exit/decision.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/generate/detail/draft_vocabulary.hpp>
#include <earlyout/generate/detail/policy_exits.hpp>
#include <earlyout/generate/detail/scope_timer.hpp>
#include <earlyout/generate/detail/verified_logits.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/drafting.hpp>
#include <earlyout/generate/draw_token.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/generate/pending.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A sequence being continued with drafts.
template <network Network, class Policy, drafter Drafter>
struct drafted_generation : generation<Network, Policy> {
    /// Allocates everything that steps need.
    /// @param max_rows tokens that run through a layer together
    drafted_generation(const Network& network, const Policy& policy, const Drafter& drafter, std::size_t capacity,
                       kv_format kv, std::size_t max_rows, const draft_options& drafted)
        : generation<Network, Policy>(network, policy, capacity, kv),
          drafts(drafter, network.shape(), capacity, max_rows, drafted),
          vocabulary(shortlist_of(policy.head).tokens, network.shape().vocab) {
        this->accepted.reserve(draft::max_size + 1);
    }

    drafting<Drafter> drafts;
    detail::draft_vocabulary vocabulary;
    typename Policy::plan_type::sequence_state gates_before_draft{};
};

/// The step that drafts tokens, verifies them in one block at full depth and accepts those that the model would have
/// produced: the same tokens and log-probabilities, bit for bit, as one by one.
///
/// A token is drawn with the random number of its position, so a sampled completion is also the same. Leviathan et al.
/// (2023) accept with probability min(1, p/q) instead, which gives the same distribution but other tokens.
template <network Network, class Policy, drafter Drafter>
class speculative {
public:
    using generation_type = drafted_generation<Network, Policy, Drafter>;

    /// Makes a step; all arguments must outlive it. Of the policy's exits only the drafter makes use.
    speculative(const Network& network, const Policy& policy, const Drafter& drafter) noexcept
        : network_(&network), policy_(&policy), drafter_(&drafter) {}

    /// Predicts at least one token that follows each sequence's last one. All sequences run through the layers
    /// together.
    /// @param sequences reordered
    void predict(run_context& context, std::span<generation_type*> sequences) const {
        const clock::time_point begun = clock::now();
        for (generation_type* const g : sequences) {
            const std::size_t last = g->tokens.size() - 1;
            g->gates.token = {};
            g->accepted.clear();
            g->tokens.need_from(last);
            draft_tokens(*g, context);
        }

        // Verify: every layer runs the drafted tokens in one block with the last one, reading its weights once.
        std::span<generation_type*> running = sequences;
        for (std::size_t depth = 1; depth <= network_->shape().layers && !running.empty(); ++depth) {
            // A cancelled completion ends between two layers.
            const auto cancelled = std::ranges::partition(
                running, [](generation_type* const g) { return !g->options.cancel.stop_requested(); });
            for (generation_type* const g : cancelled) {
                g->accepted.push_back({.result = prediction::outcome::cancelled, .exit_layer = depth - 1});
                g->tokens.rollback(first_of(*g) + 1);
            }
            running = running.first(running.size() - cancelled.size());
            run_pending(*network_, depth, std::span<generation_type* const>(running), context);
        }

        std::size_t tokens = 0;
        for (generation_type* const g : running) {
            tokens += g->tokens.size() - first_of(*g);
            accept_tokens(*g, context);
        }
        // Blocks of several sequences or of a prompt say nothing about the cost of a draft.
        if (sequences.size() == 1 && running.size() == 1 && !running.front()->is_prompt) {
            drafting<Drafter>& drafts = running.front()->drafts;
            drafts.planner.observe(tokens, drafts.proposed().layers(),
                                   std::chrono::duration<double>(clock::now() - begun).count());
        }
    }

private:
    using clock = std::chrono::steady_clock;

    /// Returns the position of the last token before the drafted ones.
    [[nodiscard]] static std::size_t first_of(const generation_type& g) noexcept { return g.tokens.needed_from(); }

    void use_exits(generation_type& g) const noexcept {
        g.signals.use_shortlist(!g.options.on_logits);
        g.signals.use_summaries(needs_argmax_alone<Network>(*policy_, g.options));
    }

    /// Draft: append the proposed tokens as far as they are expected to be worth it.
    void draft_tokens(generation_type& g, run_context& context) const {
        const detail::scope_timer timed(g.drafts.counts.seconds);
        const std::size_t begin = g.tokens.size(), room = g.tokens.capacity() - begin;
        const std::size_t wanted = g.is_prompt ? 0 : std::min(g.drafts.limit, room);
        g.gates_before_draft = g.gates.sequence;
        use_exits(g);
        detail::policy_exits<Network, Policy> exits(*network_, *policy_, g, context);
        if (wanted != 0 && g.signals.shortlist_size() != 0 && !g.options.on_logits)
            exits.select_shortlist(g.vocabulary);
        const std::size_t count = g.drafts.propose(*drafter_, g.tokens.ids(), wanted, exits);
        const std::span<const token_id> ids = g.drafts.proposed().ids().first(count);
        // What was drafted at exits is there already; another draft may have been chosen.
        const auto drafted = g.tokens.ids().subspan(begin);
        const auto same = std::ranges::mismatch(drafted, ids).in1 - drafted.begin();
        g.tokens.rollback(begin + static_cast<std::size_t>(same));
        for (const token_id id : ids.subspan(static_cast<std::size_t>(same))) {
            if (id < 0 || std::cmp_greater_equal(id, network_->shape().vocab)) break;  // a drafter may be wrong
            g.tokens.push(*network_, id);
        }
    }

    /// Accept: the tokens drawn one after the other as long as they are those drafted, then the one that is not.
    void accept_tokens(generation_type& g, run_context& context) const {
        const std::size_t first = first_of(g), count = g.tokens.size() - first;
        detail::verified_logits<Network, Policy> logits(*network_, *policy_, g, first,
                                                        g.drafts.summaries().first(count), g.drafts.logits(), context);
        // No gate is evaluated on verified tokens.
        g.signals.use_shortlist(false);
        g.signals.use_summaries(logits.needs_summaries_alone(*policy_, g.options));
        std::size_t accepted = 0;
        for (bool is_drafted = true; is_drafted;) {
            const std::size_t position = first + accepted;
            logits.select(accepted);
            g.signals.start_token(position);
            g.signals.begin_exit(network_->shape().layers, g.tokens.hidden_state(position), logits);
            prediction made = draw_token(*policy_, g, decision::exit, network_->shape().layers);
            is_drafted = made.result == prediction::outcome::token && position + 1 < g.tokens.size() &&
                         g.tokens.ids()[position + 1] == made.token;
            made.drafted = is_drafted;
            g.accepted.push_back(made);
            if (is_drafted) ++accepted;
        }
        g.tokens.rollback(first + 1 + accepted);
        if (accepted + 1 < count) g.gates.sequence = g.gates_before_draft;
        if (g.accepted.back().result == prediction::outcome::token) {
            g.drafts.learn(*drafter_, count - 1, accepted, g.accepted.back().token);
        }
    }

    const Network* network_;
    const Policy* policy_;
    const Drafter* drafter_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
