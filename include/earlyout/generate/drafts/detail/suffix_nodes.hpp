// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DETAIL_SUFFIX_NODES_HPP
#define EARLYOUT_GENERATE_DRAFTS_DETAIL_SUFFIX_NODES_HPP

#include <earlyout/core/token.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// A node of a suffix tree, with the edge that leads to it. Members without a value: memory is touched when used.
struct suffix_node {
    std::uint32_t parent;
    std::uint32_t first_child;  ///< 0: none
    std::uint32_t next;         ///< sibling; 0: none
    std::uint32_t previous;     ///< sibling; 0: none
    std::uint32_t top_child;    ///< child; 0: none
    std::uint32_t begin;        ///< where the text contains the edge after the whole path to it
    std::uint32_t count;        ///< suffixes that go along the edge, at least its first token
    std::uint32_t continued;    ///< those of them that go on below it: the sum of the children's counts
    token_id token;             ///< the edge's first
    std::uint16_t length;       ///< tokens of the edge
    std::uint16_t depth;        ///< tokens above the edge
};

/// The nodes of a suffix tree in one block of memory, numbered from the root, 0, with a hash table from (parent, token)
/// to the child. Nothing is allocated after construction.
class suffix_nodes {
public:
    explicit suffix_nodes(std::size_t max_nodes)
        : nodes_(std::make_unique_for_overwrite<suffix_node[]>(max_nodes)), table_(slots(max_nodes)) {
        nodes_[0] = {};
    }
    [[nodiscard]] static constexpr std::size_t bytes(std::size_t max_nodes) noexcept {
        return max_nodes * sizeof(suffix_node) + slots(max_nodes) * sizeof(std::uint32_t);
    }

    [[nodiscard]] suffix_node& operator[](std::uint32_t n) noexcept { return nodes_[n]; }
    [[nodiscard]] const suffix_node& operator[](std::uint32_t n) const noexcept { return nodes_[n]; }
    [[nodiscard]] std::size_t in_use() const noexcept { return in_use_; }

    /// Returns the child of a node by its edge's first token; 0: none.
    [[nodiscard]] std::uint32_t find(std::uint32_t parent, token_id token) const noexcept {
        std::size_t slot = home(parent, token);
        for (; table_[slot] != 0; slot = after(slot)) {
            const suffix_node& found = nodes_[table_[slot]];
            if (found.parent == parent && found.token == token) break;
        }
        return table_[slot];
    }

    /// Adds a child, with the count that it has. Neither the parent's `continued` nor its most frequent child change.
    std::uint32_t add(const suffix_node& made) noexcept {
        std::uint32_t n = free_;
        if (n != 0) {
            free_ = nodes_[n].next;
        } else {
            n = ++last_;
        }
        ++in_use_;
        nodes_[n] = made;
        link(n);
        insert(n);
        return n;
    }
    /// Removes a node without children from its parent and frees it.
    void remove(std::uint32_t n) noexcept {
        erase(n);
        unlink(n);
        suffix_node& parent = nodes_[nodes_[n].parent];
        if (parent.top_child == n) parent.top_child = 0;
        nodes_[n].next = free_;
        free_ = n;
        --in_use_;
    }

    /// Divides a node's edge after `offset` tokens by a new node, which takes its place and is returned.
    /// @param ends suffixes that end in the first part
    std::uint32_t split(std::uint32_t lower, std::uint16_t offset, std::uint32_t ends, token_id next) noexcept {
        suffix_node upper = nodes_[lower];
        upper.length = offset;
        upper.first_child = 0;
        upper.continued = upper.count - ends;
        erase(lower);
        unlink(lower);
        const std::uint32_t n = add(upper);
        suffix_node& parent = nodes_[upper.parent];
        if (parent.top_child == lower) parent.top_child = n;
        suffix_node& rest = nodes_[lower];
        rest.parent = n;
        nodes_[n].top_child = lower;
        rest.begin += offset;
        rest.length = static_cast<std::uint16_t>(rest.length - offset);
        rest.depth = static_cast<std::uint16_t>(rest.depth + offset);
        rest.count -= ends;
        rest.token = next;
        link(lower);
        insert(lower);
        return n;
    }
    /// Undoes a split: joins a node with its only child, which takes its place and is returned.
    std::uint32_t join(std::uint32_t upper) noexcept {
        const suffix_node old = nodes_[upper];
        const std::uint32_t n = old.first_child;
        std::uint32_t& preferred = nodes_[old.parent].top_child;
        if (preferred == upper) preferred = n;
        erase(n);
        unlink(n);
        remove(upper);
        suffix_node& whole = nodes_[n];
        whole.parent = old.parent;
        whole.token = old.token;
        whole.depth = old.depth;
        whole.count = old.count;
        whole.begin -= old.length;
        whole.length = static_cast<std::uint16_t>(whole.length + old.length);
        link(n);
        insert(n);
        return n;
    }

    /// One more suffix goes along a node's edge.
    void increment(std::uint32_t n) noexcept {
        ++nodes_[n].count;
        ++nodes_[nodes_[n].parent].continued;
        prefer(n);
    }
    /// One suffix less. Looks through the siblings only if the most frequent child may no longer be it.
    void decrement(std::uint32_t n) noexcept {
        --nodes_[n].count;
        suffix_node& parent = nodes_[nodes_[n].parent];
        --parent.continued;
        // No draft begins at the root, which has the most children.
        if (parent.top_child != n || nodes_[n].parent == 0 || 2ull * nodes_[n].count > parent.continued) return;
        for (std::uint32_t child = parent.first_child; child != 0; child = nodes_[child].next) prefer(child);
    }
    /// Makes a node the most frequent child of its parent if it is.
    void prefer(std::uint32_t n) noexcept {
        std::uint32_t& first = nodes_[nodes_[n].parent].top_child;
        if (first == 0 || precedes(n, first)) first = n;
    }

private:
    [[nodiscard]] static constexpr std::size_t slots(std::size_t max_nodes) noexcept {
        return std::bit_ceil(max_nodes + max_nodes / 2 + 1);
    }

    /// Of children that are equally frequent, the one that was seen first most recently: in code, what is new is
    /// repeated soon. Positions wrap around.
    [[nodiscard]] bool precedes(std::uint32_t a, std::uint32_t b) const noexcept {
        const suffix_node &left = nodes_[a], &right = nodes_[b];
        return left.count != right.count ? left.count > right.count
                                         : static_cast<std::int32_t>(left.begin - right.begin) > 0;
    }

    void link(std::uint32_t n) noexcept {
        suffix_node& parent = nodes_[nodes_[n].parent];
        nodes_[n].previous = 0;
        nodes_[n].next = parent.first_child;
        if (parent.first_child != 0) nodes_[parent.first_child].previous = n;
        parent.first_child = n;
    }
    void unlink(std::uint32_t n) noexcept {
        const suffix_node& old = nodes_[n];
        (old.previous != 0 ? nodes_[old.previous].next : nodes_[old.parent].first_child) = old.next;
        if (old.next != 0) nodes_[old.next].previous = old.previous;
    }

    [[nodiscard]] std::size_t after(std::size_t slot) const noexcept { return (slot + 1) & (table_.size() - 1); }
    [[nodiscard]] std::size_t home(std::uint32_t parent, token_id token) const noexcept {
        const std::uint64_t key = std::uint64_t{parent} << 32 | static_cast<std::uint32_t>(token);
        const std::uint64_t mixed = (key ^ key >> 29) * 0x9e3779b97f4a7c15u;
        return static_cast<std::size_t>(mixed >> 32 ^ mixed >> 11) & (table_.size() - 1);
    }
    [[nodiscard]] std::size_t home(std::uint32_t n) const noexcept { return home(nodes_[n].parent, nodes_[n].token); }
    void insert(std::uint32_t n) noexcept {
        std::size_t slot = home(n);
        while (table_[slot] != 0) slot = after(slot);
        table_[slot] = n;
    }
    void erase(std::uint32_t n) noexcept {
        std::size_t hole = home(n);
        while (table_[hole] != n) hole = after(hole);
        // What follows and could be in the hole moves there, so that probes need no marks of what was removed.
        const std::size_t mask = table_.size() - 1;
        for (std::size_t slot = after(hole); table_[slot] != 0; slot = after(slot)) {
            if (((slot - home(table_[slot])) & mask) < ((slot - hole) & mask)) continue;
            table_[hole] = table_[slot];
            hole = slot;
        }
        table_[hole] = 0;
    }

    std::unique_ptr<suffix_node[]> nodes_;
    std::vector<std::uint32_t> table_;
    std::uint32_t last_ = 0;  ///< the largest number used so far
    std::uint32_t free_ = 0;  ///< the first of a list through `next`
    std::size_t in_use_ = 0;  ///< without the root
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
