// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_DRAFT_VOCABULARY_HPP
#define EARLYOUT_GENERATE_DETAIL_DRAFT_VOCABULARY_HPP

#include <earlyout/core/token.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// Tokens that are worth drafting: the latest different ones of the sequence, then those with the lowest ids, which
/// byte-pair encodings give to the most frequent ones.
class draft_vocabulary {
public:
    draft_vocabulary() = default;
    /// @param count tokens to select, at most vocab
    draft_vocabulary(std::size_t count, std::size_t vocab)
        : ids_(std::min(count, vocab)), seen_(count == 0 ? 0 : vocab) {}

    /// Selects tokens again if the sequence has changed enough since the last time.
    /// @return true if ids() changed
    [[nodiscard]] bool select(std::span<const token_id> sequence) {
        if (is_selected_ && sequence.size() >= selected_at_ && sequence.size() < selected_at_ + interval) return false;
        is_selected_ = true;
        selected_at_ = sequence.size();
        std::ranges::fill(seen_, std::uint8_t{0});
        std::size_t count = 0;
        const auto add = [&](std::size_t id) {
            if (count == ids_.size() || seen_[id] != 0) return;
            seen_[id] = 1;
            ids_[count++] = static_cast<token_id>(id);
        };
        for (std::size_t i = sequence.size(); i-- > 0;) add(static_cast<std::size_t>(sequence[i]));
        for (std::size_t id = 0; id < seen_.size() && count < ids_.size(); ++id) add(id);
        std::ranges::sort(ids_);
        return true;
    }
    /// Forgets the selection.
    void restart() noexcept { is_selected_ = false; }

    /// Returns the selected tokens in increasing order.
    [[nodiscard]] std::span<const token_id> ids() const noexcept { return ids_; }

private:
    static constexpr std::size_t interval = 32;  // the tokens' output rows are copied, which takes some microseconds

    std::vector<token_id> ids_;
    std::vector<std::uint8_t> seen_;
    bool is_selected_ = false;
    std::size_t selected_at_ = 0;
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
