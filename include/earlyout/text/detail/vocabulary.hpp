// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_VOCABULARY_HPP
#define EARLYOUT_TEXT_DETAIL_VOCABULARY_HPP

#include <earlyout/core/token.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// Maps between ids and the bytes of their pieces.
class vocabulary {
public:
    /// Adds a piece; one that had the id before is found by its bytes only. Of two ids with the same bytes, find()
    /// returns the first that was added.
    void add(token_id id, std::string bytes) {
        const auto at = static_cast<std::size_t>(id);
        if (at >= pieces_.size()) {
            pieces_.resize(at + 1);
            special_.resize(at + 1);
        }
        const std::string& kept = storage_.emplace_back(std::move(bytes));
        pieces_[at] = kept;
        ids_.emplace(kept, id);
        longest_ = std::max(longest_, kept.size());
    }
    /// Makes find() return the id for other bytes too, unless it returns one already.
    void add_name(token_id id, std::string_view bytes) { ids_.emplace(storage_.emplace_back(bytes), id); }
    void mark_special(token_id id) { special_[static_cast<std::size_t>(id)] = true; }

    [[nodiscard]] bool has(token_id id) const noexcept {
        return id >= 0 && static_cast<std::size_t>(id) < pieces_.size() &&
               pieces_[static_cast<std::size_t>(id)].data() != nullptr;
    }
    /// Returns the bytes of a token; none for an unknown id.
    [[nodiscard]] std::string_view piece(token_id id) const noexcept {
        return has(id) ? pieces_[static_cast<std::size_t>(id)] : std::string_view();
    }
    [[nodiscard]] std::optional<token_id> find(std::string_view bytes) const {
        const auto found = ids_.find(bytes);
        return found == ids_.end() ? std::nullopt : std::optional(found->second);
    }
    [[nodiscard]] bool is_special(token_id id) const noexcept {
        return has(id) && special_[static_cast<std::size_t>(id)];
    }
    /// Returns one more than the highest id.
    [[nodiscard]] std::size_t size() const noexcept { return pieces_.size(); }
    [[nodiscard]] std::size_t max_piece_size() const noexcept { return longest_; }

private:
    std::deque<std::string> storage_;       // its elements do not move
    std::vector<std::string_view> pieces_;  // by id; data() is null if no piece has the id
    std::vector<bool> special_;
    std::unordered_map<std::string_view, token_id> ids_;
    std::size_t longest_ = 0;
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
