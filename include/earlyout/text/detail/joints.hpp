// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_JOINTS_HPP
#define EARLYOUT_TEXT_DETAIL_JOINTS_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/text/detail/symbols.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// Two neighbours that become one token; the pair of lowest rank is merged first.
struct merge_rule {
    token_id left;
    token_id right;
    std::uint32_t rank;
    token_id merged;
};

/// Which neighbouring symbols a merge can ever join. A long word may be cut between two that none can, without a change
/// to its tokens: the merges on one side do not affect those on the other.
class merge_joints {
public:
    /// Everything may be joined: no cuts.
    merge_joints() = default;

    /// A token made by merging begins with the first symbol of its left part and ends with the last of its right one.
    /// If two rules disagree on that, no cuts are made.
    /// @param rules   every id is below `ids`
    /// @param symbols where merging begins
    merge_joints(std::span<const merge_rule> rules, std::size_t ids, const symbol_table& symbols) {
        std::vector<token_id> first(ids, no_token);
        std::vector<token_id> last(ids, no_token);
        std::vector<bool> made(ids);
        for (const merge_rule& rule : rules) made[index(rule.merged)] = true;
        const auto is_made = [&](token_id symbol) { return symbol != no_token && made[index(symbol)]; };
        if (is_made(symbols.unknown) || std::ranges::any_of(symbols.bytes, is_made)) return;
        for (std::size_t id = 0; id < ids; ++id) {
            if (!made[id]) first[id] = last[id] = static_cast<token_id>(id);
        }
        // A rule usually follows those that make its parts: two rounds are enough.
        bool changed = true;
        for (int round = 0; changed; ++round) {
            if (round == 8) return;
            changed = false;
            for (const merge_rule& rule : rules) {
                if (!settle(first[index(rule.merged)], first[index(rule.left)], changed)) return;
                if (!settle(last[index(rule.merged)], last[index(rule.right)], changed)) return;
            }
        }
        slots_.assign(16, empty);
        for (const merge_rule& rule : rules) {
            const token_id left = last[index(rule.left)];
            const token_id right = first[index(rule.right)];
            if (left != no_token && right != no_token && !insert(key(left, right))) {
                slots_.clear();
                return;
            }
        }
    }

    [[nodiscard]] bool may_join(token_id left, token_id right) const noexcept {
        if (slots_.empty()) return true;
        const std::uint64_t wanted = key(left, right);
        for (std::size_t at = slot(wanted);; at = (at + 1) & (slots_.size() - 1)) {
            if (slots_[at] == wanted) return true;
            if (slots_[at] == empty) return false;
        }
    }

private:
    static constexpr std::uint64_t empty = ~std::uint64_t{0};

    static std::size_t index(token_id id) noexcept { return static_cast<std::size_t>(id); }
    static std::uint64_t key(token_id left, token_id right) noexcept {
        return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
    }
    [[nodiscard]] std::size_t slot(std::uint64_t of) const noexcept {
        return static_cast<std::size_t>(of * 0x9e3779b97f4a7c15U >> 40) & (slots_.size() - 1);
    }
    /// Returns false when `known` was not `found`.
    static bool settle(token_id& known, token_id found, bool& changed) noexcept {
        if (found == no_token || known == found) return true;
        if (known != no_token) return false;
        known = found;
        return changed = true;
    }
    /// Returns false on too many collisions, which requires a crafted file.
    [[nodiscard]] bool insert(std::uint64_t added) {
        constexpr int max_collisions = 256;
        if (used_ * 2 >= slots_.size() && !grow()) return false;
        std::size_t at = slot(added);
        for (int collisions = 0; slots_[at] != empty; at = (at + 1) & (slots_.size() - 1)) {
            if (slots_[at] == added) return true;
            if (++collisions > max_collisions) return false;
        }
        ++used_;
        slots_[at] = added;
        return true;
    }
    [[nodiscard]] bool grow() {
        const std::vector<std::uint64_t> old =
            std::exchange(slots_, std::vector<std::uint64_t>(slots_.size() * 2, empty));
        used_ = 0;
        return std::ranges::all_of(old, [&](std::uint64_t kept) { return kept == empty || insert(kept); });
    }

    std::vector<std::uint64_t> slots_;  // size a power of two, at most half of the slots used
    std::size_t used_ = 0;
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
