// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_SIGNALS_HPP
#define EARLYOUT_EXIT_SIGNALS_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/exit/detail/vocab_shortlist.hpp>
#include <earlyout/exit/logit_source.hpp>
#include <earlyout/kernels/logit_summary.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Something a gate may look at besides layer, position and new tokens, which are always visible.
enum class signal : std::uint32_t {
    hidden_state = 1u << 0,           ///< the residual stream after this layer, [d_model]
    logits = 1u << 1,                 ///< this exit's logits, [vocab]
    argmax = 1u << 2,                 ///< token with the largest logit
    max_probability = 1u << 3,        ///< p1, probability of that token
    margin = 1u << 4,                 ///< p1 - p2
    entropy = 1u << 5,                ///< -sum p log p, nats
    previous_hidden_state = 1u << 6,  ///< the residual stream at the last evaluated exit of this token
    previous_argmax = 1u << 7         ///< argmax at the last evaluated exit of this token
};

/// A set of signals, fit to be a template argument.
struct signal_set {
    std::uint32_t bits = 0;

    constexpr signal_set() noexcept = default;
    // NOLINTNEXTLINE(google-explicit-constructor): one signal is a set
    constexpr signal_set(signal s) noexcept : bits(static_cast<std::uint32_t>(s)) {}
    constexpr explicit signal_set(std::uint32_t all) noexcept : bits(all) {}

    [[nodiscard]] constexpr bool contains(signal s) const noexcept {
        return (bits & static_cast<std::uint32_t>(s)) != 0;
    }
    friend constexpr signal_set operator|(signal_set a, signal_set b) noexcept { return signal_set(a.bits | b.bits); }
    friend constexpr bool operator==(signal_set, signal_set) = default;
};

[[nodiscard]] constexpr signal_set operator|(signal a, signal b) noexcept { return signal_set(a) | signal_set(b); }

/// No signals: a gate that looks at layer and position only.
inline constexpr signal_set no_signals{};
/// Every signal.
inline constexpr signal_set all_signals{(1u << 8) - 1};

/// The signals of one token at one exit. Each is computed when first read and memoised until the token moves on; a
/// token that exits is drawn from the logits that its gate already computed.
class exit_signals {
public:
    /// @param shortlist tokens whose logits later exits compute alone; 0: later exits compute all. See shortlist.
    exit_signals(std::size_t d_model, std::size_t vocab, std::size_t shortlist = 0)
        : summary_blocks_((vocab + kernels::summary_block - 1) / kernels::summary_block),
          shortlist_(std::min(shortlist, vocab)),
          previous_hidden_(d_model),
          logits_(vocab) {}

    /// Starts a completion of a prompt of `prompt_tokens` tokens.
    void start_completion(std::size_t prompt_tokens) noexcept { prompt_tokens_ = prompt_tokens; }
    /// Computes argmax, probabilities and margin from the source's summary() from now on, or from stored logits.
    /// logits() that are read all the same are then computed separately.
    void use_summaries(bool used) noexcept { summaries_ = used; }
    /// Lets a token's later exits use the shortlist, where there is one, or does not.
    void use_shortlist(bool used) noexcept { shortlist_.enable(used); }
    /// Forgets everything: a new token starts at the first layer.
    void start_token(std::size_t position) noexcept {
        position_ = position;
        layer_ = 0;
        hidden_ = {};
        has_logits_ = has_top_ = has_entropy_ = false;
        has_previous_hidden_ = false;
        previous_argmax_.reset();
        shortlist_.start_token();
    }
    /// Keeps what `previous_*` will return. Call before the hidden state moves on from an evaluated exit.
    void end_exit(bool keep_hidden_state) noexcept {
        previous_argmax_ = has_top_ ? std::optional(argmax_) : std::nullopt;
        has_previous_hidden_ = keep_hidden_state;
        if (keep_hidden_state) std::copy(hidden_.begin(), hidden_.end(), previous_hidden_.begin());
    }
    /// Sets the layer that has run, the hidden state after it and where its logits come from; both must stay in place
    /// until end_exit() or the last read.
    void begin_exit(std::size_t layer, std::span<const float> hidden, logit_source& source) noexcept {
        if (has_logits_) shortlist_.end_exit_with_all_logits();
        layer_ = layer;
        hidden_ = hidden;
        source_ = &source;
        has_logits_ = has_top_ = has_entropy_ = false;
    }

    [[nodiscard]] std::size_t layer() const noexcept { return layer_; }
    [[nodiscard]] std::size_t position() const noexcept { return position_; }
    [[nodiscard]] std::size_t new_tokens() const noexcept { return position_ + 1 - prompt_tokens_; }
    [[nodiscard]] std::span<const float> hidden_state() const noexcept { return hidden_; }
    [[nodiscard]] std::optional<std::span<const float>> previous_hidden_state() const noexcept {
        if (!has_previous_hidden_) return std::nullopt;
        return std::span<const float>(previous_hidden_);
    }
    [[nodiscard]] std::optional<token_id> previous_argmax() const noexcept { return previous_argmax_; }
    [[nodiscard]] std::span<const float> logits() {
        if (!has_logits_) {
            source_->logits(layer_, hidden_, logits_);
            has_logits_ = true;
            has_entropy_ = false;
            if (std::exchange(has_top_, false)) find_top();  // the shortlist's is superseded
        }
        return logits_;
    }
    [[nodiscard]] token_id argmax() {
        find_top();
        return argmax_;
    }
    [[nodiscard]] float max_probability() {
        find_top();
        return std::exp(top_.first - log_sum_);
    }
    [[nodiscard]] float margin() {
        find_top();
        return std::exp(top_.first - log_sum_) - std::exp(top_.second - log_sum_);
    }
    [[nodiscard]] float entropy() {
        find_top();
        if (known_.empty()) (void)logits();
        if (!has_entropy_) {
            entropy_ = kernels::entropy(known_.data(), known_.size(), log_sum_);
            has_entropy_ = true;
        }
        return entropy_;
    }
    /// log p of a token at this exit.
    [[nodiscard]] float log_probability(token_id token) {
        find_top();
        if (token == argmax_) return top_.first - log_sum_;
        if (!has_logits_) {
            if (const auto place = shortlist_.find(token)) return known_[*place] - log_sum_;
            (void)logits();
            find_top();
        }
        return known_[static_cast<std::size_t>(token)] - log_sum_;
    }
    /// False when the logits of this exit hold a NaN or +infinity, or nothing but -infinity: there is no answer then.
    [[nodiscard]] bool are_numbers() {
        find_top();
        return std::isfinite(log_sum_);
    }
    /// The same of what has been computed at this exit; what has not is taken to be good.
    [[nodiscard]] bool computed_are_numbers() {
        return has_logits_ || has_top_ ? are_numbers()
                                       : std::ranges::all_of(hidden_, [](float x) { return std::isfinite(x); });
    }
    /// True when what matters of this exit's logits has been computed.
    [[nodiscard]] bool has_summary() const noexcept { return has_top_; }
    /// True when this exit's logits have been computed.
    [[nodiscard]] bool has_logits() const noexcept { return has_logits_; }

private:
    void find_top() {
        if (has_top_) return;
        const bool few = !has_logits_ && shortlist_.ready();
        kernels::logit_summary found;
        if (!has_logits_ && !few && summaries_) {
            known_ = {};
            found = source_->summary(layer_, hidden_);
        } else {
            known_ = few ? shortlist_.logits(*source_, layer_, hidden_, logits_) : logits();
            found = kernels::summarize(known_.data(), known_.size(), summary_blocks_);
        }
        top_ = found.top;
        log_sum_ = found.log_sum();
        argmax_ = few ? shortlist_.ids()[top_.index] : static_cast<token_id>(top_.index);
        has_top_ = true;
    }

    std::size_t layer_ = 0;
    std::size_t position_ = 0;
    std::size_t prompt_tokens_ = 0;
    std::span<const float> hidden_;
    logit_source* source_ = nullptr;
    bool summaries_ = false;
    bool has_logits_ = false;
    bool has_top_ = false;
    bool has_entropy_ = false;
    bool has_previous_hidden_ = false;
    kernels::top_two top_;
    float log_sum_ = 0.0f;
    float entropy_ = 0.0f;
    token_id argmax_ = 0;
    std::span<const float> known_;  // what top_ was found in: all logits, those of a shortlist, or none of them
    std::vector<kernels::logit_summary> summary_blocks_;
    detail::vocab_shortlist shortlist_;
    std::optional<token_id> previous_argmax_;
    std::vector<float> previous_hidden_;
    std::vector<float> logits_;
};

/// What a gate is handed: the signals it declared, and layer and position. Reading any other does not
/// compile, so a gate's cost can be read off its declaration.
template <signal_set Declared>
class signal_view {
public:
    explicit signal_view(exit_signals& source) noexcept : source_(&source) {}

    /// Layers that have run, from 1.
    [[nodiscard]] std::size_t layer() const noexcept { return source_->layer(); }
    /// Position of the token in its sequence, from 0.
    [[nodiscard]] std::size_t position() const noexcept { return source_->position(); }
    /// Tokens that the completion has produced before the one that may be predicted here, from 0.
    [[nodiscard]] std::size_t new_tokens() const noexcept { return source_->new_tokens(); }

    /// [d_model], before the final norm.
    [[nodiscard]] std::span<const float> hidden_state() const noexcept {
        static_assert(Declared.contains(signal::hidden_state),
                      "earlyout: this gate reads hidden_state() but does not declare signal::hidden_state in its "
                      "`signals`");
        return source_->hidden_state();
    }
    /// [vocab], through this exit's head.
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
    /// p1, in (0, 1].
    [[nodiscard]] float max_probability() const {
        static_assert(Declared.contains(signal::max_probability),
                      "earlyout: this gate reads max_probability() but does not declare signal::max_probability in its "
                      "`signals`");
        return source_->max_probability();
    }
    /// p1 - p2, in [0, 1].
    [[nodiscard]] float margin() const {
        static_assert(Declared.contains(signal::margin),
                      "earlyout: this gate reads margin() but does not declare signal::margin in its `signals`");
        return source_->margin();
    }
    /// Nats, in [0, log vocab].
    [[nodiscard]] float entropy() const {
        static_assert(Declared.contains(signal::entropy),
                      "earlyout: this gate reads entropy() but does not declare signal::entropy in its `signals`");
        return source_->entropy();
    }
    /// [d_model]; none at a token's first exit.
    [[nodiscard]] std::optional<std::span<const float>> previous_hidden_state() const noexcept {
        static_assert(Declared.contains(signal::previous_hidden_state),
                      "earlyout: this gate reads previous_hidden_state() but does not declare "
                      "signal::previous_hidden_state in its `signals`");
        return source_->previous_hidden_state();
    }
    /// None at a token's first exit, and when nothing there asked for logits.
    [[nodiscard]] std::optional<token_id> previous_argmax() const noexcept {
        static_assert(Declared.contains(signal::previous_argmax),
                      "earlyout: this gate reads previous_argmax() but does not declare signal::previous_argmax in its "
                      "`signals`");
        return source_->previous_argmax();
    }

    /// The same exit seen by a gate with other declarations; for combinators.
    template <signal_set Other>
    [[nodiscard]] signal_view<Other> as() const noexcept {
        return signal_view<Other>(*source_);
    }

private:
    exit_signals* source_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
