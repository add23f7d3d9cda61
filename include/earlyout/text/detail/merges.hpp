// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_MERGES_HPP
#define EARLYOUT_TEXT_DETAIL_MERGES_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/text/detail/joints.hpp>
#include <earlyout/text/detail/symbols.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// The merges of a byte-pair encoding, found by their pair.
class merge_table {
public:
    merge_table() = default;
    /// @param rules   of a pair that occurs twice, the last in rank counts. Rules of one rank are one kind: of two
    ///                pairs, the left one is merged first
    /// @param ids     upper bound of every id in `rules`
    /// @param symbols where merging begins
    merge_table(std::vector<merge_rule> rules, std::size_t ids, const symbol_table& symbols)
        : rules_(std::move(rules)), first_(ids + 1) {
        if (symbols.by_character) joints_ = merge_joints(rules_, ids, symbols);
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

    /// Returns null when the two do not merge.
    [[nodiscard]] const merge_rule* find(token_id left, token_id right) const noexcept {
        const merge_rule* const begin = rules_.data() + first_[static_cast<std::size_t>(left)];
        const merge_rule* const end = rules_.data() + first_[static_cast<std::size_t>(left) + 1];
        const merge_rule* const found = std::ranges::lower_bound(begin, end, right, {}, &merge_rule::right);
        return found != end && found->right == right ? found : nullptr;
    }
    /// Returns the result of the merge of this rank, or one of several.
    [[nodiscard]] token_id merged(std::uint32_t rank) const noexcept { return merged_[rank]; }
    /// Returns false if no merge can ever join two neighbouring symbols of a word.
    [[nodiscard]] bool may_join(token_id left, token_id right) const noexcept { return joints_.may_join(left, right); }

private:
    std::vector<merge_rule> rules_;     // by left, right, falling rank
    std::vector<std::uint32_t> first_;  // by left id: where its rules begin
    std::vector<token_id> merged_;      // by rank
    merge_joints joints_;
};

/// Merges the symbols of words into tokens (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with
/// Subword Units"): time O(n log n) in the length of a word. Owns the memory for this.
class word_merger {
public:
    word_merger(const merge_table& merges, const symbol_table& parts) : merges_(&merges), parts_(&parts) {}

    /// Appends the word's tokens to `ids`.
    /// @throws error (unsupported) for a word of 4 GiB or more
    void append(std::string_view word, std::vector<token_id>& ids) {
        if (word.size() >= none)
            fail(errc::unsupported, "word: expected fewer than ", none, " bytes, found ", word.size());
        symbols_.clear();
        parts_->each(word, [&](token_id id) {
            if (!symbols_.empty() && !merges_->may_join(symbols_.back().id, id)) flush(ids);
            symbols_.push_back({id, 0, 0});
        });
        flush(ids);
    }

private:
    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
    static constexpr token_id gone = -1;
    static constexpr std::size_t few = 64;  // symbols that are merged without a queue

    struct symbol {
        token_id id;
        std::uint32_t next;
        std::uint32_t previous;
    };

    /// Appends the tokens of the current symbols.
    void flush(std::vector<token_id>& ids) {
        if (symbols_.size() <= few) {
            merge_few();
            for (const symbol& s : symbols_) ids.push_back(s.id);
        } else {
            merge_many();
            for (std::uint32_t i = 0; i != none; i = symbols_[i].next) ids.push_back(symbols_[i].id);
        }
        symbols_.clear();
    }

    /// Scans all pairs for each merge.
    void merge_few() {
        std::size_t pairs = symbols_.empty() ? 0 : symbols_.size() - 1;
        std::uint32_t ranks[few];  // of each symbol with the next
        token_id merged[few];
        const auto look_at = [&](std::size_t i) {
            const merge_rule* const rule = merges_->find(symbols_[i].id, symbols_[i + 1].id);
            ranks[i] = rule != nullptr ? rule->rank : none;
            merged[i] = rule != nullptr ? rule->merged : gone;
        };
        for (std::size_t i = 0; i < pairs; ++i) look_at(i);
        while (pairs > 0) {
            const auto best = static_cast<std::size_t>(std::min_element(ranks, ranks + pairs) - ranks);
            if (merged[best] == gone) break;
            symbols_[best].id = merged[best];
            std::copy(symbols_.begin() + static_cast<std::ptrdiff_t>(best) + 2, symbols_.end(),
                      symbols_.begin() + static_cast<std::ptrdiff_t>(best) + 1);
            symbols_.pop_back();
            std::copy(ranks + best + 1, ranks + pairs, ranks + best);
            std::copy(merged + best + 1, merged + pairs, merged + best);
            --pairs;
            if (best > 0) look_at(best - 1);
            if (best < pairs) look_at(best);
        }
    }

    void merge_many() {
        link();
        while (!queue_.empty()) {
            std::ranges::pop_heap(queue_, std::greater());
            const auto rank = static_cast<std::uint32_t>(queue_.back() >> 32);
            const auto left = static_cast<std::uint32_t>(queue_.back());
            queue_.pop_back();
            // Other merges may have consumed one of the two since they were queued.
            const merge_rule* const rule = rule_at(left);
            if (rule != nullptr && (rule->rank == rank || rule->merged == merges_->merged(rank))) {
                merge(left, rule->merged);
            }
        }
    }
    void link() {
        const auto size = static_cast<std::uint32_t>(symbols_.size());
        for (std::uint32_t i = 0; i < size; ++i) {
            symbols_[i].next = i + 1 < size ? i + 1 : none;
            symbols_[i].previous = i > 0 ? i - 1 : none;
        }
        for (std::uint32_t i = 0; i < size; ++i) {
            if (const merge_rule* rule = rule_at(i)) queue_.push_back(entry(i, *rule));
        }
        std::ranges::make_heap(queue_, std::greater());
    }
    /// Returns a queue entry. The queue pops the least: of lowest rank, then leftmost.
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
    const symbol_table* parts_;
    std::vector<symbol> symbols_;
    std::vector<std::uint64_t> queue_;  // a heap of pairs that may merge: rank, then index of the left symbol
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
