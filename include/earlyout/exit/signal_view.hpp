// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_SIGNAL_VIEW_HPP
#define EARLYOUT_EXIT_SIGNAL_VIEW_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/exit/signal.hpp>
#include <earlyout/exit/signals.hpp>

#include <cstddef>
#include <optional>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// What a gate is evaluated on: the signals it declared, and layer and position. Reading any other does not compile, so
/// a gate's cost is visible in its declaration.
template <signal_set Declared>
class signal_view {
public:
    explicit signal_view(exit_signals& source) noexcept : source_(&source) {}

    /// Returns the number of layers that have run, from 1.
    [[nodiscard]] std::size_t layer() const noexcept { return source_->layer(); }
    /// Returns the position of the token in its sequence, from 0.
    [[nodiscard]] std::size_t position() const noexcept { return source_->position(); }
    /// Returns the number of tokens that the completion produced before the one that may be predicted here, from 0.
    [[nodiscard]] std::size_t new_tokens() const noexcept { return source_->new_tokens(); }

    /// Returns the hidden state, [d_model], before the final norm.
    [[nodiscard]] std::span<const float> hidden_state() const noexcept {
        static_assert(Declared.contains(signal::hidden_state),
                      "earlyout: this gate reads hidden_state() but does not declare signal::hidden_state in its "
                      "`signals`");
        return source_->hidden_state();
    }
    /// Returns the logits, [vocab], through this exit's head.
    [[nodiscard]] std::span<const float> logits() const {
        static_assert(Declared.contains(signal::logits),
                      "earlyout: this gate reads logits() but does not declare signal::logits in its `signals`");
        return source_->logits();
    }
    [[nodiscard]] token_id argmax() const {
        static_assert(Declared.contains(signal::argmax),
                      "earlyout: this gate reads argmax() but does not declare signal::argmax in its `signals`");
        return source_->argmax();
    }
    /// Returns p1, in (0, 1].
    [[nodiscard]] float max_probability() const {
        static_assert(Declared.contains(signal::max_probability),
                      "earlyout: this gate reads max_probability() but does not declare signal::max_probability in its "
                      "`signals`");
        return source_->max_probability();
    }
    /// Returns p1 - p2, in [0, 1].
    [[nodiscard]] float margin() const {
        static_assert(Declared.contains(signal::margin),
                      "earlyout: this gate reads margin() but does not declare signal::margin in its `signals`");
        return source_->margin();
    }
    /// Returns the entropy in nats, in [0, log vocab].
    [[nodiscard]] float entropy() const {
        static_assert(Declared.contains(signal::entropy),
                      "earlyout: this gate reads entropy() but does not declare signal::entropy in its `signals`");
        return source_->entropy();
    }
    /// Returns the hidden state at the previous exit, [d_model]; nothing at a token's first exit.
    [[nodiscard]] std::optional<std::span<const float>> previous_hidden_state() const noexcept {
        static_assert(Declared.contains(signal::previous_hidden_state),
                      "earlyout: this gate reads previous_hidden_state() but does not declare "
                      "signal::previous_hidden_state in its `signals`");
        return source_->previous_hidden_state();
    }
    /// Returns the previous exit's argmax; nothing at a token's first exit, and when its logits were not computed.
    [[nodiscard]] std::optional<token_id> previous_argmax() const noexcept {
        static_assert(Declared.contains(signal::previous_argmax),
                      "earlyout: this gate reads previous_argmax() but does not declare signal::previous_argmax in its "
                      "`signals`");
        return source_->previous_argmax();
    }

    /// Returns KL(p || p') in nats, p' being the distribution at the last evaluated exit; nothing at a token's first
    /// exit.
    [[nodiscard]] std::optional<float> divergence() const {
        static_assert(
            Declared.contains(signal::divergence),
            "earlyout: this gate reads divergence() but does not declare signal::divergence in its `signals`");
        return source_->divergence();
    }

    /// Returns the same exit as seen by a gate with other declarations; for combinators.
    template <signal_set Other>
    [[nodiscard]] signal_view<Other> as() const noexcept {
        return signal_view<Other>(*source_);
    }

private:
    exit_signals* source_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
