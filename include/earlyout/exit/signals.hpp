// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_SIGNALS_HPP
#define EARLYOUT_EXIT_SIGNALS_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/exit/detail/vocab_shortlist.hpp>
#include <earlyout/exit/logit_source.hpp>
#include <earlyout/exit/signal.hpp>
#include <earlyout/kernels/argmax.hpp>
#include <earlyout/kernels/logit_summary.hpp>
#include <earlyout/kernels/softmax.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The signals of one token at one exit. Each is computed when first read and memoised until the token reaches the next
/// exit; a token that exits is sampled from the logits that its gate already computed.
class exit_signals {
public:
    /// @param shortlist number of tokens whose logits later exits compute alone; 0: later exits compute all. See
    /// shortlist.
    /// @param read signals that gates read: determines what is kept of one exit for the next
    exit_signals(std::size_t d_model, std::size_t vocab, std::size_t shortlist = 0, signal_set read = all_signals)
        : summary_blocks_((vocab + kernels::summary_block - 1) / kernels::summary_block),
          shortlist_(std::min(shortlist, vocab)),
          previous_hidden_(read.contains(signal::previous_hidden_state) ? d_model : 0),
          previous_logits_(read.contains(signal::divergence) ? vocab : 0),
          logits_(vocab) {}

    /// Starts a completion of a prompt of `prompt_tokens` tokens.
    void start_completion(std::size_t prompt_tokens) noexcept {
        prompt_tokens_ = prompt_tokens;
        shortlist_.take_back();
    }
    /// Computes argmax, probabilities and margin from the source's summary() from now on, or from stored logits. If
    /// logits() are read nevertheless, they are computed separately.
    void use_summaries(bool used) noexcept { summaries_ = used; }
    [[nodiscard]] bool uses_summaries() const noexcept { return summaries_; }
    /// Enables or disables the shortlist, if there is one, at a token's later exits.
    void use_shortlist(bool used) noexcept { shortlist_.enable(used); }
    /// Lets every exit from the next token on compute the logits of these tokens alone; until the next completion.
    /// @param ids in increasing order, as many as shortlist_size()
    void give_shortlist(std::span<const token_id> ids, logit_source& source) { shortlist_.give(ids, source); }
    /// Returns the number of tokens of the shortlist; 0: there is none.
    [[nodiscard]] std::size_t shortlist_size() const noexcept { return shortlist_.size(); }
    /// Resets all per-token state: a new token starts at the first layer.
    void start_token(std::size_t position) noexcept {
        position_ = position;
        layer_ = 0;
        hidden_ = {};
        has_logits_ = has_top_ = has_entropy_ = false;
        has_previous_hidden_ = has_previous_logits_ = false;
        previous_argmax_.reset();
        shortlist_.start_token();
    }
    /// Keeps what the next exit's gate reads of this one. Call it before an evaluated exit's hidden state is
    /// overwritten.
    void end_exit() noexcept {
        previous_argmax_ = has_top_ ? std::optional(argmax_) : std::nullopt;
        has_previous_hidden_ = !previous_hidden_.empty();
        if (has_previous_hidden_) std::ranges::copy(hidden_, previous_hidden_.begin());
        has_previous_logits_ = !previous_logits_.empty() && has_logits_;
        if (has_previous_logits_) {
            previous_log_sum_ = log_sum_;
            std::ranges::copy(logits_, previous_logits_.begin());
        }
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
    [[nodiscard]] std::optional<float> divergence() {
        (void)logits();
        find_top();
        if (!has_previous_logits_) return std::nullopt;
        return kernels::kl_divergence(logits_.data(), log_sum_, previous_logits_.data(), previous_log_sum_,
                                      logits_.size());
    }
    /// Returns log p of a token at this exit.
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
    /// Returns false when this exit's logits hold a NaN or +infinity, or nothing but -infinity: no prediction is
    /// possible then.
    [[nodiscard]] bool are_numbers() {
        find_top();
        return std::isfinite(log_sum_);
    }
    /// Returns the same for what has been computed at this exit; anything else is assumed to be valid.
    [[nodiscard]] bool computed_are_numbers() {
        return has_logits_ || has_top_ ? are_numbers()
                                       : std::ranges::all_of(hidden_, [](float x) { return std::isfinite(x); });
    }
    /// Returns true when the summary of this exit's logits has been computed.
    [[nodiscard]] bool has_summary() const noexcept { return has_top_; }
    /// Returns true when this exit's logits have been computed.
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
    bool has_previous_logits_ = false;
    kernels::top_two top_;
    float log_sum_ = 0.0f;
    float entropy_ = 0.0f;
    token_id argmax_ = 0;
    std::span<const float> known_;  // what top_ was computed from: all logits, those of a shortlist, or none of them
    std::vector<kernels::logit_summary> summary_blocks_;
    detail::vocab_shortlist shortlist_;
    std::optional<token_id> previous_argmax_;
    std::vector<float> previous_hidden_;
    std::vector<float> previous_logits_;
    float previous_log_sum_ = 0.0f;
    std::vector<float> logits_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
