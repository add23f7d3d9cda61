// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_DETAIL_KEPT_TOKENS_HPP
#define EARLYOUT_EXIT_DETAIL_KEPT_TOKENS_HPP

#include <earlyout/core/function_ref.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/kernels/top_k.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// The likeliest tokens of one exit, which a token's later exits are asked about alone. They are looked for, and their
/// rows copied, when a later exit first asks: a token that leaves at the first exit pays nothing.
class kept_tokens {
public:
    /// Copies the output rows of these tokens, in increasing order.
    using keep_function = function_ref<void(std::span<const token_id> ids)>;
    /// Fills in their logits for a row of the residual stream after a layer.
    using head_function = function_ref<void(std::size_t layer, std::span<const float> hidden, std::span<float> logits)>;

    kept_tokens() = default;
    /// @param count 1 .. vocab
    kept_tokens(std::size_t count, const keep_function& keep, const head_function& head)
        : keep_(keep), head_(head), ids_(2 * count), logits_(count) {}

    /// A new token: nothing is kept.
    void start_token() noexcept { state_ = state::none; }
    /// The exit that is left knew the logits of all tokens; they stay where they are until the next exit that does.
    void left_with_all() noexcept {
        if (keep_ && state_ == state::none) state_ = state::wanted;
    }
    /// True when exits can be asked about a few tokens.
    [[nodiscard]] bool ready() const noexcept { return state_ != state::none; }

    /// Their logits at an exit, [count].
    /// @param all those of all tokens at the exit that was left
    [[nodiscard]] std::span<const float> logits(std::size_t layer, std::span<const float> hidden,
                                                std::span<const float> all) {
        if (state_ == state::wanted) {
            kernels::find_top_k(all.data(), all.size(), logits_.size(), ids_);
            (*keep_)(ids());
            state_ = state::kept;
        }
        (*head_)(layer, hidden, logits_);
        return logits_;
    }
    /// In increasing order, [count].
    [[nodiscard]] std::span<const token_id> ids() const noexcept { return std::span(ids_).first(logits_.size()); }
    /// Where a token stands among them; nothing where it is not.
    [[nodiscard]] std::optional<std::size_t> find(token_id token) const noexcept {
        const auto found = std::ranges::lower_bound(ids(), token);
        if (found == ids().end() || *found != token) return std::nullopt;
        return static_cast<std::size_t>(found - ids().begin());
    }

private:
    enum class state : unsigned char { none, wanted, kept };

    state state_ = state::none;
    std::optional<keep_function> keep_;
    std::optional<head_function> head_;
    std::vector<token_id> ids_;  // the second half is room to look for them
    std::vector<float> logits_;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
