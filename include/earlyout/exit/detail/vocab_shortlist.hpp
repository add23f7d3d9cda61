// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_DETAIL_VOCAB_SHORTLIST_HPP
#define EARLYOUT_EXIT_DETAIL_VOCAB_SHORTLIST_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/exit/logit_source.hpp>
#include <earlyout/kernels/top_k.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// The most likely tokens at a token's first evaluated exit; later exits compute the logits of these alone. They are
/// selected, and their output rows gathered, when a later exit first needs them: a token that exits at its first exit
/// incurs no cost.
class vocab_shortlist {
public:
    vocab_shortlist() = default;
    /// @param count 1 .. vocab; 0: never used
    explicit vocab_shortlist(std::size_t count) : ids_(2 * count), logits_(count) {}

    /// Enables or disables the shortlist from the next token on.
    void enable(bool used) noexcept { enabled_ = used; }
    /// Resets the per-token state: a new token starts at the first layer.
    void start_token() noexcept { state_ = is_given_ && enabled_ ? state::gathered : state::none; }
    /// Uses these tokens from the next token on, at every exit, in place of selecting them.
    /// @param given in increasing order, as many as the shortlist has
    void give(std::span<const token_id> given, logit_source& source) {
        std::ranges::copy(given, ids_.begin());
        source.set_shortlist(ids());
        is_given_ = true;
    }
    /// Selects the tokens again.
    void take_back() noexcept { is_given_ = false; }
    [[nodiscard]] std::size_t size() const noexcept { return logits_.size(); }
    /// Records that the exit just evaluated computed all logits; they stay in place until the next exit that does.
    void end_exit_with_all_logits() noexcept {
        if (enabled_ && !logits_.empty() && state_ == state::none) state_ = state::selectable;
    }
    /// Returns true when exits can be evaluated on the shortlist.
    [[nodiscard]] bool ready() const noexcept { return state_ != state::none; }

    /// Computes the shortlist's logits at an exit, [count].
    /// @param all logits of the whole vocabulary at the first evaluated exit
    [[nodiscard]] std::span<const float> logits(logit_source& source, std::size_t layer, std::span<const float> hidden,
                                                std::span<const float> all) {
        if (state_ == state::selectable) {
            kernels::find_top_k(all.data(), all.size(), logits_.size(), ids_);
            source.set_shortlist(ids());
            state_ = state::gathered;
        }
        source.shortlist_logits(layer, hidden, logits_);
        return logits_;
    }
    /// Returns the token ids in increasing order, [count].
    [[nodiscard]] std::span<const token_id> ids() const noexcept { return std::span(ids_).first(logits_.size()); }
    /// Returns a token's index among them; nothing if it is not in the list.
    [[nodiscard]] std::optional<std::size_t> find(token_id token) const noexcept {
        const auto found = std::ranges::lower_bound(ids(), token);
        if (found == ids().end() || *found != token) return std::nullopt;
        return static_cast<std::size_t>(found - ids().begin());
    }

private:
    enum class state : unsigned char { none, selectable, gathered };

    state state_ = state::none;
    bool enabled_ = true;
    bool is_given_ = false;
    std::vector<token_id> ids_;  // the second half is scratch for the selection
    std::vector<float> logits_;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
