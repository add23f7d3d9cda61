// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_POLICY_EXITS_HPP
#define EARLYOUT_GENERATE_DETAIL_POLICY_EXITS_HPP

#include <earlyout/exit/decision.hpp>
#include <earlyout/generate/detail/draft_vocabulary.hpp>
#include <earlyout/generate/drafts/draft_exits.hpp>
#include <earlyout/generate/draw_token.hpp>
#include <earlyout/generate/exit_logits.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/generate/pending.hpp>
#include <earlyout/nn/run_context.hpp>

#include <cmath>
#include <cstddef>
#include <optional>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// The exits of a policy, at which a drafter drafts.
template <network Network, class Policy>
class policy_exits final : public draft_exits {
public:
    policy_exits(const Network& network, const Policy& policy, generation<Network, Policy>& of,
                 run_context& context) noexcept
        : network_(&network), policy_(&policy), of_(&of), context_(&context) {}

    /// Lets exits compute the logits of frequent and recent tokens alone. They are selected from the sequence, since
    /// selecting them from an exit's own logits would take all of those.
    void select_shortlist(draft_vocabulary& from) {
        if (!from.select(of_->tokens.ids())) return;
        exit_logits<Network, Policy> logits(*network_, *policy_, *of_, *context_);
        of_->signals.give_shortlist(from.ids(), logits);
    }

    std::optional<prediction> predict() override {
        sequence& tokens = of_->tokens;
        const std::size_t position = tokens.size() - 1;
        // A token that has run already exits nowhere: its hidden state is that of a deeper layer.
        if (tokens.size() == tokens.capacity() || tokens.frontier(1) > position) return std::nullopt;
        of_->gates.token = {};
        of_->signals.start_token(position);
        std::size_t depth = 0;
        while (const std::optional<std::size_t> exit = policy_->plan.next_exit(depth)) {
            if (!run_pending(*network_, depth + 1, *exit, tokens, *context_, of_->options.cancel)) return std::nullopt;
            depth = *exit;
            exit_logits<Network, Policy> logits(*network_, *policy_, *of_, *context_);
            of_->signals.begin_exit(depth, tokens.hidden_state(position), logits);
            const decision decided = evaluate_gate(*policy_, *of_, depth);
            if (decided == decision::exit) return drafted(depth);
            if (decided != decision::go_on) return std::nullopt;
            of_->signals.end_exit();
        }
        return std::nullopt;
    }

private:
    [[nodiscard]] std::optional<prediction> drafted(std::size_t layer) {
        const earlyout::prediction made = draw_token(*policy_, *of_, decision::exit, network_->shape().layers);
        if (made.result != earlyout::prediction::outcome::token) return std::nullopt;
        of_->tokens.push(*network_, made.token);
        return prediction{.token = made.token, .probability = std::exp(made.log_probability), .layer = layer};
    }

    const Network* network_;
    const Policy* policy_;
    generation<Network, Policy>* of_;
    run_context* context_;
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
