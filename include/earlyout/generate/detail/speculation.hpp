// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_SPECULATION_HPP
#define EARLYOUT_GENERATE_DETAIL_SPECULATION_HPP

#include <earlyout/exit/decision.hpp>
#include <earlyout/generate/detail/policy_exits.hpp>
#include <earlyout/generate/detail/scope_timer.hpp>
#include <earlyout/generate/detail/verified_logits.hpp>
#include <earlyout/generate/drafted_generation.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/draw_token.hpp>
#include <earlyout/nn/network.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// Returns the position of the last token before the drafted ones: the first that is verified.
template <network Network, class Policy>
[[nodiscard]] std::size_t first_verified(const generation<Network, Policy>& g) noexcept {
    return g.tokens.needed_from();
}

/// Drafts: appends the proposed tokens as far as they are expected to be worth it.
template <network Network, class Policy, drafter Drafter>
void draft_tokens(const Network& network, const Policy& policy, const Drafter& drafter,
                  drafted_generation<Network, Policy, Drafter>& g, run_context& context) {
    const scope_timer timed(g.drafts.counts.seconds);
    const std::size_t begin = g.tokens.size(), room = g.tokens.capacity() - begin;
    const std::size_t wanted = g.is_prompt ? 0 : std::min(g.drafts.limit, room);
    g.gates_before_draft = g.gates.sequence;
    g.signals.use_shortlist(!g.options.on_logits);
    g.signals.use_summaries(needs_argmax_alone<Network>(policy, g.options));
    policy_exits<Network, Policy> exits(network, policy, g, context);
    if (wanted != 0 && g.signals.shortlist_size() != 0 && !g.options.on_logits) exits.select_shortlist(g.vocabulary);
    const std::size_t count = g.drafts.propose(drafter, g.tokens.ids(), wanted, exits);
    const std::span<const token_id> ids = g.drafts.proposed().ids().first(count);
    // What was drafted at exits is there already; another draft may have been chosen.
    const auto drafted = g.tokens.ids().subspan(begin);
    const auto same = std::ranges::mismatch(drafted, ids).in1 - drafted.begin();
    g.tokens.rollback(begin + static_cast<std::size_t>(same));
    for (const token_id id : ids.subspan(static_cast<std::size_t>(same))) {
        if (id < 0 || std::cmp_greater_equal(id, network.shape().vocab)) break;  // a drafter may be wrong
        g.tokens.push(network, id);
    }
}

/// Accepts: the tokens drawn one after the other as long as they are those drafted, then the one that is not.
/// @param logits of the verified tokens
template <network Network, class Policy, drafter Drafter>
void accept_tokens(const Network& network, const Policy& policy, const Drafter& drafter,
                   drafted_generation<Network, Policy, Drafter>& g, verified_logits<Network, Policy>& logits) {
    const std::size_t first = first_verified(g), count = g.tokens.size() - first;
    // No gate is evaluated on verified tokens.
    g.signals.use_shortlist(false);
    g.signals.use_summaries(logits.needs_summaries_alone(policy, g.options));
    std::size_t accepted = 0;
    for (bool is_drafted = true; is_drafted;) {
        const std::size_t position = first + accepted;
        logits.select(accepted);
        g.signals.start_token(position);
        g.signals.begin_exit(network.shape().layers, g.tokens.hidden_state(position), logits);
        prediction made = draw_token(policy, g, decision::exit, network.shape().layers);
        is_drafted = made.result == prediction::outcome::token && position + 1 < g.tokens.size() &&
                     g.tokens.ids()[position + 1] == made.token;
        made.drafted = is_drafted;
        g.accepted.push_back(made);
        if (is_drafted) ++accepted;
    }
    g.tokens.rollback(first + 1 + accepted);
    if (accepted + 1 < count) g.gates.sequence = g.gates_before_draft;
    if (g.accepted.back().result == prediction::outcome::token) {
        g.drafts.learn(drafter, count - 1, accepted, g.accepted.back().token);
    }
}

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
