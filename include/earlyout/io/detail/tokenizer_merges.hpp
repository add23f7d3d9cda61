// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_TOKENIZER_MERGES_HPP
#define EARLYOUT_IO_DETAIL_TOKENIZER_MERGES_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>
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
    /// @param rules of a pair that comes twice, the last in rank counts
    /// @param ids   every id in `rules` is below
    merge_table(std::vector<merge_rule> rules, std::size_t ids) : rules_(std::move(rules)), first_(ids + 1) {
        for (const merge_rule& rule : rules_) {
            if (rule.rank >= merged_.size()) merged_.resize(std::size_t{rule.rank} + 1);
            merged_[rule.rank] = rule.merged;
            ++first_[static_cast<std::size_t>(rule.left) + 1];
        }
        for (std::size_t id = 0; id < ids; ++id) first_[id + 1] += first_[id];
        std::ranges::sort(rules_, [](const merge_rule& a, const merge_rule& b) {
            return std::tuple(a.left, a.right, b.rank) < std::tuple(b.left, b.right, a.rank);
        });
    }

    /// Null when the two do not merge.
    [[nodiscard]] const merge_rule* find(token_id left, token_id right) const noexcept {
        const merge_rule* const begin = rules_.data() + first_[static_cast<std::size_t>(left)];
        const merge_rule* const end = rules_.data() + first_[static_cast<std::size_t>(left) + 1];
        const merge_rule* const found = std::ranges::lower_bound(begin, end, right, {}, &merge_rule::right);
        return found != end && found->right == right ? found : nullptr;
    }
    /// What the merge of this rank makes.
    [[nodiscard]] token_id merged(std::uint32_t rank) const noexcept { return merged_[rank]; }

private:
    std::vector<merge_rule> rules_;     // by left, right, falling rank
    std::vector<std::uint32_t> first_;  // by left id: where its rules begin
    std::vector<token_id> merged_;      // by rank
};

/// Merges the bytes of words into tokens (Sennrich et al. 2016, "Neural Machine Translation of Rare Words
/// with Subword Units"): time O(n log n) in the length of a word. Holds the memory that this takes.
class word_merger {
public:
    word_merger(const merge_table& merges, const std::array<token_id, 256>& byte_ids)
        : merges_(&merges), byte_ids_(&byte_ids) {}

    /// Appends the word's tokens to `ids`.
    /// @throws error (unsupported) for a word of 4 GiB or more
    void append(std::string_view word, std::vector<token_id>& ids) {
        if (word.size() >= none)
            fail(errc::unsupported, "word: expected fewer than ", none, " bytes, found ", word.size());
        if (word.empty()) return;
        begin(word);
        while (!queue_.empty()) {
            std::ranges::pop_heap(queue_, std::greater());
            const auto rank = static_cast<std::uint32_t>(queue_.back() >> 32);
            const auto left = static_cast<std::uint32_t>(queue_.back());
            queue_.pop_back();
            // Other merges may have taken one of the two since they were queued.
            const merge_rule* const rule = rule_at(left);
            if (rule != nullptr && rule->merged == merges_->merged(rank)) merge(left, rule->merged);
        }
        for (std::uint32_t i = 0; i != none; i = symbols_[i].next) ids.push_back(symbols_[i].id);
    }

private:
    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
    static constexpr token_id gone = -1;

    struct symbol {
        token_id id;
        std::uint32_t next;
        std::uint32_t previous;
    };

    void begin(std::string_view word) {
        const auto size = static_cast<std::uint32_t>(word.size());
        symbols_.clear();
        for (std::uint32_t i = 0; i < size; ++i) {
            const token_id id = (*byte_ids_)[static_cast<unsigned char>(word[i])];
            symbols_.push_back({id, i + 1 < size ? i + 1 : none, i > 0 ? i - 1 : none});
        }
        for (std::uint32_t i = 0; i < size; ++i) {
            if (const merge_rule* rule = rule_at(i)) queue_.push_back(entry(i, *rule));
        }
        std::ranges::make_heap(queue_, std::greater());
    }
    /// The queue gives its least: of lowest rank, then leftmost.
    [[nodiscard]] static std::uint64_t entry(std::uint32_t left, const merge_rule& rule) noexcept {
        return std::uint64_t{rule.rank} << 32 | left;
    }
    [[nodiscard]] const merge_rule* rule_at(std::uint32_t left) const noexcept {
        const symbol& here = symbols_[left];
        if (here.id == gone || here.next == none) return nullptr;
        return merges_->find(here.id, symbols_[here.next].id);
    }
    void consider(std::uint32_t left) {
        if (const merge_rule* rule = rule_at(left)) {
            queue_.push_back(entry(left, *rule));
            std::ranges::push_heap(queue_, std::greater());
        }
    }
    void merge(std::uint32_t at, token_id merged) {
        symbol& left = symbols_[at];
        symbol& right = symbols_[left.next];
        left.id = merged;
        left.next = right.next;
        right.id = gone;
        if (left.next != none) symbols_[left.next].previous = at;
        if (left.previous != none) consider(left.previous);
        consider(at);
    }

    const merge_table* merges_;
    const std::array<token_id, 256>* byte_ids_;
    std::vector<symbol> symbols_;
    std::vector<std::uint64_t> queue_;  // a heap of pairs that may merge: rank, then index of the left symbol
};

}  // namespace io::detail
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
