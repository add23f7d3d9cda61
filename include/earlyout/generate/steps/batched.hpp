// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_STEPS_BATCHED_HPP
#define EARLYOUT_GENERATE_STEPS_BATCHED_HPP

#include <earlyout/core/matrix_view.hpp>
#include <earlyout/exit/cache_policy.hpp>
#include <earlyout/exit/decision.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/logit_source.hpp>
#include <earlyout/generate/batched_generation.hpp>
#include <earlyout/generate/detail/batched_rows.hpp>
#include <earlyout/generate/detail/scope_timer.hpp>
#include <earlyout/generate/detail/speculation.hpp>
#include <earlyout/generate/detail/verified_logits.hpp>
#include <earlyout/generate/drafted_generation.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/draw_token.hpp>
#include <earlyout/generate/exit_logits.hpp>
#include <earlyout/generate/pending.hpp>
#include <earlyout/nn/network.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The step over any number of sequences at different stages: prompts, tokens that exit at different depths, drafts
/// that are verified. They pass each layer together, so that its weights are read once, and each sequence predicts what
/// it would alone, bit for bit.
template <network Network, class Policy, drafter Drafter>
class batched {
public:
    using generation_type = batched_generation<Network, Policy, Drafter>;
    using stage = typename generation_type::stage;

    /// Deferred tokens of sequences whose last token has exited join a block that runs deeper anyway while it has fewer
    /// tokens than this: they cost little there.
    static constexpr std::size_t max_joined = 16;

    /// @param sequences max number of them in a step
    /// @param rows      max rows of logits at a time: for each sequence that predicts, one more than it may draft
    batched(const Network& network, std::size_t sequences, std::size_t rows)
        : network_(&network), rows_(network, rows) {
        batch_.reserve(sequences);
    }

    /// Runs the prompts of some sequences, and predicts at least one token for each of the others.
    /// @param sequences reordered
    void predict(run_context& context, std::span<generation_type*> sequences) {
        const auto begun = std::chrono::steady_clock::now();
        for (generation_type* const g : sequences) begin(*g, context);

        std::span<generation_type*> running = sequences;
        for (std::size_t depth = 1; !running.empty() && depth <= network_->shape().layers; ++depth) {
            running = without(running, [&](generation_type& g) { return is_cancelled(g, depth - 1); });
            run_layer(depth, running, sequences.subspan(running.size()), context);
            evaluate_gates(depth, running, context);
            running = without(running, [&](generation_type& g) { return is_over(g, depth); });
        }
        finish(running, context);
        // Blocks of several sequences or of a prompt say nothing about the cost of a draft.
        if (sequences.size() == 1 && running.size() == 1 && running.front()->is_verified &&
            !running.front()->is_prompt) {
            generation_type& g = *running.front();
            g.drafts.planner.observe(g.pending, g.drafts.proposed().layers(),
                                     std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
        }
    }

private:
    [[nodiscard]] std::size_t layers() const noexcept { return network_->shape().layers; }

    /// Moves the sequences for which `finished` returns true behind the others, and returns those.
    template <class Finished>
    static std::span<generation_type*> without(std::span<generation_type*> running, Finished finished) {
        const auto kept =
            std::partition(running.begin(), running.end(), [&](generation_type* const g) { return !finished(*g); });
        return running.first(static_cast<std::size_t>(kept - running.begin()));
    }

    void begin(generation_type& g, run_context& context) {
        const std::size_t last = g.tokens.size() - 1;
        g.gates.token = {};
        g.accepted.clear();
        g.work = {};
        g.last_layer = layers();
        g.is_verified = false;
        if (g.next == stage::prefill) {
            g.tokens.need_from(g.tokens.size());
            // Under lazy prefill a prompt waits where its last token may exit.
            const auto exit = g.policy->plan.next_exit(0);
            if (exit && g.policy->cache.prefill == prefill::lazy && !verifies_drafts(*g.policy, *g.drafter)) {
                g.last_layer = *exit;
            }
            return;
        }
        g.is_verified = !g.policy->plan.next_exit(0) || verifies_drafts(*g.policy, *g.drafter);
        if (g.is_verified) {
            g.tokens.need_from(last);
            const work_count before = context.work();
            detail::draft_tokens(*network_, *g.policy, *g.drafter, g, context);
            g.work += context.work() - before;
            return;
        }
        if (!g.is_prompt) {
            const work_count before = context.work();
            g.policy->cache.before_token(skipped_layers(*network_, g.tokens, context));
            g.work += context.work() - before;
        }
        g.tokens.need_from(last);
        g.signals.start_token(last);
    }

    /// A cancelled completion ends between two layers.
    static bool is_cancelled(generation_type& g, std::size_t depth) {
        if (!g.options.cancel.stop_requested()) return false;
        g.accepted.push_back({.result = prediction::outcome::cancelled, .exit_layer = depth});
        if (g.is_verified) g.tokens.rollback(detail::first_verified(g) + 1);
        return true;
    }
    /// Returns true for a sequence that needs no deeper layer.
    static bool is_over(const generation_type& g, std::size_t depth) {
        return !g.accepted.empty() || (g.next == stage::prefill && depth == g.last_layer);
    }

    void run_layer(std::size_t depth, std::span<generation_type*> running, std::span<generation_type*> exited,
                   run_context& context) {
        std::size_t tokens = 0;
        batch_.clear();
        for (generation_type* const g : running) {
            batch_.push_back(g);
            tokens += g->tokens.size() - g->tokens.frontier(depth);
            if (!g->is_prompt && !g->is_verified) {
                g->counts.catch_up_layer_tokens += g->tokens.size() - 1 - g->tokens.frontier(depth);
            }
        }
        if (batch_.empty()) return;
        for (generation_type* const g : exited) {
            const std::size_t more = g->tokens.size() - g->tokens.frontier(depth);
            if (!may_join(*g, depth) || tokens + more > max_joined) continue;
            batch_.push_back(g);
            tokens += more;
            g->counts.catch_up_layer_tokens += more;
        }
        for (generation_type* const g : batch_) g->pending = g->tokens.size() - g->tokens.frontier(depth);
        const work_count before = context.work();
        run_pending(*network_, depth, std::span<generation_type* const>(batch_), context);
        const work_count spent = context.work() - before;
        for (generation_type* const g : batch_) {
            g->work.layer_tokens += g->pending;
            g->work.weight_bytes += spent.weight_bytes * g->pending / std::max<std::size_t>(tokens, 1);
        }
    }
    /// Returns true if the tokens of a sequence may run through one more layer than they need so far.
    [[nodiscard]] static bool may_join(const generation_type& g, std::size_t depth) noexcept {
        return g.next == stage::predict && !g.is_verified && keeps_pending(g.policy->cache) && !g.accepted.empty() &&
               g.accepted.back().result == prediction::outcome::token && depth > 1 &&
               g.tokens.frontier(depth - 1) == g.tokens.size();
    }

    /// Returns true for a token that runs to full depth without evaluating exits.
    [[nodiscard]] static bool full_depth(const generation_type& g) noexcept {
        return (g.is_prompt && g.policy->cache.prefill == prefill::eager) || g.deferred >= g.policy->cache.cap;
    }
    [[nodiscard]] static bool has_exit(const generation_type& g, std::size_t depth) noexcept {
        return g.next == stage::predict && !g.is_verified && !full_depth(g) &&
               g.policy->plan.next_exit(depth - 1) == depth;
    }

    /// Evaluates the gates after a layer. Where several read logits, these are computed together.
    void evaluate_gates(std::size_t depth, std::span<generation_type*> running, run_context& context) {
        if (depth == layers()) return;  // the last layer needs no decision
        const auto reads = [&](const generation_type* g) { return has_exit(*g, depth) && reads_logits(*g); };
        const bool together = std::ranges::count_if(running, reads) > 1;
        if (together) {
            rows_.clear();
            for (generation_type* const g : running) {
                if (reads(g)) add_rows(*g, depth, g->tokens.size() - 1, g->signals.uses_summaries(), context);
            }
            compute_rows(running, reads, context);
        }
        for (generation_type* const g : running) {
            if (!has_exit(*g, depth)) continue;
            if (together && reads(g)) {
                auto logits = computed_rows(*g, 1);
                decide(*g, depth, logits);
            } else {
                exit_logits<Network, Policy> logits(*network_, *g->policy, *g, context);
                decide(*g, depth, logits);
            }
        }
    }
    /// The gate decides: continue, exit here, or stop.
    void decide(generation_type& g, std::size_t depth, logit_source& logits) {
        g.signals.begin_exit(depth, g.tokens.hidden_state(g.tokens.size() - 1), logits);
        const decision decided = evaluate_gate(*g.policy, g, depth);
        if (decided == decision::go_on && (!g.signals.has_summary() || g.signals.are_numbers())) {
            g.signals.end_exit();
        } else {
            g.accepted.push_back(draw_token(*g.policy, g, decided, layers()));
        }
    }
    /// Returns true if a gate reads all logits of its exit.
    [[nodiscard]] static bool reads_logits(const generation_type& g) noexcept {
        return shortlist_of(g.policy->head).tokens == 0 && g.policy->plan.signals().reads_logits();
    }

    /// Predicts after the last layer: tokens that exited nowhere, and blocks of drafted tokens.
    void finish(std::span<generation_type*> running, run_context& context) {
        rows_.clear();
        for (generation_type* const g : running) {
            if (g->is_verified) {
                add_rows(*g, layers(), detail::first_verified(*g),
                         detail::verified_logits<Network, Policy>::needs_summaries_alone(*g->policy, g->options),
                         context);
            } else if (!uses_shortlist_to_the_end(*g)) {
                add_rows(*g, layers(), g->tokens.size() - 1, g->signals.uses_summaries(), context);
            }
        }
        compute_rows(
            running, [](const generation_type* g) { return !uses_shortlist_to_the_end(*g); }, context);
        for (generation_type* const g : running) {
            if (g->is_verified) {
                auto logits = computed_rows(*g, g->tokens.size() - detail::first_verified(*g));
                detail::accept_tokens(*network_, *g->policy, *g->drafter, *g, logits);
            } else if (!uses_shortlist_to_the_end(*g)) {
                auto logits = computed_rows(*g, 1);
                draw_last(*g, logits);
            } else {
                exit_logits<Network, Policy> logits(*network_, *g->policy, *g, context);
                draw_last(*g, logits);
            }
        }
    }
    void draw_last(generation_type& g, logit_source& logits) {
        g.signals.begin_exit(layers(), g.tokens.hidden_state(g.tokens.size() - 1), logits);
        g.accepted.push_back(draw_token(*g.policy, g, decision::exit, layers()));
    }
    [[nodiscard]] static bool uses_shortlist_to_the_end(const generation_type& g) noexcept {
        const shortlist_use of = shortlist_of(g.policy->head);
        return !g.is_verified && of.tokens != 0 && of.reach == shortlist_reach::full_depth;
    }

    /// Adds the hidden states of a sequence's tokens from a position on.
    void add_rows(generation_type& g, std::size_t layer, std::size_t first, bool summarized, run_context& context) {
        const std::size_t rows = g.tokens.size() - first;
        const matrix_view<const float> hidden{g.tokens.hidden_state(first).data(), rows, network_->shape().d_model};
        const detail::scope_timer timed(g.counts.head_seconds);
        g.rows = rows_.add(g.policy->head, layer, hidden, summarized, context);
        g.counts.head_evaluations += rows;
    }
    /// Computes the logits of the rows that were added, of the sequences for which `has_rows` returns true.
    void compute_rows(std::span<generation_type*> running, auto has_rows, run_context& context) {
        double seconds = 0.0;
        const work_count before = context.work();
        {
            const detail::scope_timer timed(seconds);
            rows_.compute(context);
        }
        const auto sharing = static_cast<std::uint64_t>(std::ranges::count_if(running, has_rows));
        for (generation_type* const g : running) {
            if (!has_rows(g)) continue;
            g->counts.head_seconds += seconds;
            g->work.weight_bytes += (context.work() - before).weight_bytes / sharing;
        }
    }
    [[nodiscard]] detail::verified_logits<Network, Policy> computed_rows(generation_type& g, std::size_t rows) {
        return {g, rows_.summaries(g.rows, rows), rows_.logits(g.rows.is_summarized ? 0 : g.rows.first, rows)};
    }

    const Network* network_;
    detail::batched_rows<Network> rows_;
    std::vector<generation_type*> batch_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
