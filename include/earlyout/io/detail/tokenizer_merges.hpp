// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_TOKENIZER_MERGES_HPP
#define EARLYOUT_IO_DETAIL_TOKENIZER_MERGES_HPP

#include <earlyout/core/token.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <queue>
#include <string_view>
#include <tuple>
#include <vector>

namespace earlyout::inline EARLYOUT_ABI {
namespace io::detail {

/// Two neighbours that become one token; the pair of lowest rank goes first.
struct merge_rule {
    token_id left;
    token_id right;
    std::uint32_t rank;
    token_id merged;
};

/// The merges of a byte-pair encoding, found by their pair.
class merge_table {
public:
    merge_table() = default;
    /// @param rules in order of rank; of a pair that comes twice, the last counts
    /// @param ids   every id in `rules` is below
    merge_table(std::vector<merge_rule> rules, std::size_t ids) : rules_(std::move(rules)), first_(ids + 1) {
        std::ranges::sort(rules_, [](const merge_rule& a, const merge_rule& b) {
            return std::tuple(a.left, a.right, b.rank) < std::tuple(b.left, b.right, a.rank);
        });
        for (const merge_rule& rule : rules_) ++first_[static_cast<std::size_t>(rule.left) + 1];
        for (std::size_t id = 0; id < ids; ++id) first_[id + 1] += first_[id];
    }

    /// Null when the two do not merge.
    [[nodiscard]] const merge_rule* find(token_id left, token_id right) const noexcept {
        const merge_rule* const begin = rules_.data() + first_[static_cast<std::size_t>(left)];
        const merge_rule* const end = rules_.data() + first_[static_cast<std::size_t>(left) + 1];
        const merge_rule* const found = std::ranges::lower_bound(begin, end, right, {}, &merge_rule::right);
        return found != end && found->right == right ? found : nullptr;
    }

private:
    std::vector<merge_rule> rules_;     // by left, right, falling rank
    std::vector<std::uint32_t> first_;  // by left id: where its rules begin
};

/// Merges the bytes of words into tokens (Sennrich et al. 2016, "Neural Machine Translation of Rare Words
/// with Subword Units"): time O(n log n) in the length of a word. Holds the memory that this takes.
class word_merger {
public:
    word_merger(const merge_table& merges, const std::array<token_id, 256>& byte_ids)
        : merges_(&merges), byte_ids_(&byte_ids) {}

    /// Appends the word's tokens to `ids`.
    void append(std::string_view word, std::vector<token_id>& ids) {
        symbols_.clear();
        for (std::size_t i = 0; i < word.size(); ++i) {
            symbols_.push_back({(*byte_ids_)[static_cast<unsigned char>(word[i])], i + 1, i == 0 ? none : i - 1});
        }
        if (symbols_.empty()) return;
        symbols_.back().next = none;
        for (std::size_t i = 0; i + 1 < symbols_.size(); ++i) consider(i);
        while (!candidates_.empty()) {
            const candidate best = candidates_.top();
            candidates_.pop();
            if (still_there(best)) merge(best);
        }
        for (std::size_t i = 0; i != none; i = symbols_[i].next) ids.push_back(symbols_[i].id);
    }

private:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    static constexpr token_id gone = -1;

    struct symbol {
        token_id id;
        std::size_t next;
        std::size_t previous;
    };
    struct candidate {
        std::size_t left;  // index of the symbol; the other one is its next
        std::uint32_t rank;
        token_id merged;

        // The queue gives its greatest: of lowest rank, then leftmost.
        friend bool operator<(const candidate& a, const candidate& b) noexcept {
            return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
        }
    };

    [[nodiscard]] const merge_rule* rule_at(std::size_t left) const noexcept {
        const symbol& here = symbols_[left];
        if (here.id == gone || here.next == none) return nullptr;
        return merges_->find(here.id, symbols_[here.next].id);
    }
    void consider(std::size_t left) {
        if (const merge_rule* rule = rule_at(left)) candidates_.push({left, rule->rank, rule->merged});
    }
    /// Other merges may have taken one of the two since the candidate was queued.
    [[nodiscard]] bool still_there(const candidate& c) const noexcept {
        const merge_rule* const rule = rule_at(c.left);
        return rule != nullptr && rule->merged == c.merged;
    }
    void merge(const candidate& c) {
        symbol& left = symbols_[c.left];
        symbol& right = symbols_[left.next];
        left.id = c.merged;
        left.next = right.next;
        right.id = gone;
        if (left.next != none) symbols_[left.next].previous = c.left;
        if (left.previous != none) consider(left.previous);
        consider(c.left);
    }

    const merge_table* merges_;
    const std::array<token_id, 256>* byte_ids_;
    std::vector<symbol> symbols_;
    std::priority_queue<candidate> candidates_;
};

}  // namespace io::detail
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
