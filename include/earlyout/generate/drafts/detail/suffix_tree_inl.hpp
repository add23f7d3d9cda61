// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DETAIL_SUFFIX_TREE_INL_HPP
#define EARLYOUT_GENERATE_DRAFTS_DETAIL_SUFFIX_TREE_INL_HPP

#include <earlyout/generate/drafts/suffix_tree.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Goes on by one token; false if it does not occur here.
inline bool suffix_tree::follow(locus& at, token_id token) const noexcept {
    const node& n = nodes_[at.node];
    if (at.offset < length_of(n)) {
        if (token_at(n.begin + at.offset) != token) return false;
        ++at.offset;
        return true;
    }
    const std::uint32_t child = nodes_.find(at.node, token);
    if (child == 0) return false;
    at = {child, 1};
    return true;
}

inline void suffix_tree::advance(suffix_matches& matches, token_id token) const noexcept {
    matches.push();
    // What does not occur has no longer extension that does, so the longest are dropped first.
    for (std::uint32_t start = matches.begin; start != matches.end; ++start) {
        if (!follow(matches[start], token) || matches.end - start == depth_) matches.begin = start + 1;
    }
}

inline bool suffix_tree::append(token_id token) noexcept {
    if (size() == max_tokens_) return false;
    tokens_[end() & mask_] = token;
    active_.push();
    // The longest first: if it occurred before, all shorter ones did.
    for (std::uint32_t start = active_.begin; start != end(); ++start) {
        locus& at = active_[start];
        if (!follow(at, token)) {
            grow(at, start);
            active_.begin = start + 1;
            continue;
        }
        if (at.offset == 1) nodes_.increment(at.node);
        if (end() - start == depth_) {
            end_of(start) = at.node;
            active_.begin = start + 1;
        }
    }
    return true;
}

/// The suffix that starts at `start` becomes a leaf: its last token did not follow here before.
inline void suffix_tree::grow(locus at, std::uint32_t start) noexcept {
    if (at.offset < nodes_[at.node].length) {
        divide(at.node, at.offset);
        at = active_[start];
    }
    const std::uint32_t position = end() - 1, depth = position - start;
    const std::uint32_t leaf = nodes_.add({.parent = at.node,
                                           .first_child = 0,
                                           .next = 0,
                                           .previous = 0,
                                           .top_child = 0,
                                           .begin = position,
                                           .count = 0,
                                           .continued = 0,
                                           .token = token_at(position),
                                           .length = static_cast<std::uint16_t>(depth_ - depth),
                                           .depth = static_cast<std::uint16_t>(depth)});
    nodes_.increment(leaf);
    end_of(start) = leaf;
}

/// Divides an edge where an active suffix ends; the longest one along the edge, so that all of them end above.
inline void suffix_tree::divide(std::uint32_t lower, std::uint16_t offset) noexcept {
    const token_id next = token_at(nodes_[lower].begin + offset);
    const std::uint32_t upper = nodes_.split(lower, offset, ends_on(lower), next);
    for (std::uint32_t start = active_.begin; start != end(); ++start) {
        if (active_[start].node == lower) active_[start].node = upper;
    }
}

/// Counts the active suffixes that end along a node's edge.
inline std::uint32_t suffix_tree::ends_on(std::uint32_t n) const noexcept {
    std::uint32_t found = 0;
    for (std::uint32_t start = active_.begin; start != end(); ++start) found += active_[start].node == n;
    return found;
}

/// Joins a node with its child where no continuations differ and no sequence ended.
inline void suffix_tree::join_if_single(std::uint32_t n) noexcept {
    const std::uint32_t child = nodes_[n].first_child;
    if (n == 0 || child == 0 || nodes_[child].next != 0) return;
    if (nodes_[n].count - nodes_[n].continued != ends_on(n)) return;
    nodes_.join(n);
    for (std::uint32_t start = active_.begin; start != end(); ++start) {
        if (active_[start].node == n) active_[start].node = child;
    }
}

/// Undoes follow().
inline void suffix_tree::retreat(locus& at) noexcept {
    if (at.offset > 1) {
        --at.offset;
        return;
    }
    const std::uint32_t parent = nodes_[at.node].parent;
    nodes_.decrement(at.node);
    at = {parent, nodes_[parent].length};
}

inline void suffix_tree::pop_back() noexcept {
    if (open_size() == 0) return;
    const std::uint32_t last = end() - 1;
    // Everything in the opposite order. Active suffixes followed the token ...
    for (std::uint32_t start = last; start + 1 != active_.begin; --start) retreat(active_[start]);
    // ... longer ones became leaves by it, or reached the full depth, which is one at most.
    while (active_.begin != open_) {
        const std::uint32_t start = active_.begin - 1, leaf = end_of(start);
        const node& n = nodes_[leaf];
        const bool grown = n.begin == last;
        const bool own = n.begin - n.depth == start;  // a leaf since an earlier token
        if (!grown && (own || end() - start != depth_)) break;
        active_.begin = start;
        if (!grown) {
            active_[start] = {leaf, n.length};
            retreat(active_[start]);
            break;
        }
        const std::uint32_t parent = n.parent;
        nodes_.decrement(leaf);
        nodes_.remove(leaf);
        active_[start] = {parent, nodes_[parent].length};
        join_if_single(parent);
    }
    active_.pop();
}

inline bool suffix_tree::finish() noexcept {
    if (open_size() == 0 || sequences_ == finished_.size()) return false;
    for (; active_.begin != end(); ++active_.begin) {
        const locus at = active_[active_.begin];
        if (at.offset < nodes_[at.node].length) divide(at.node, at.offset);
        end_of(active_.begin) = active_[active_.begin].node;
    }
    // Leaves end here, and edges refer to the newest sequence that contains them: when the oldest is removed, all that
    // refer to it go.
    for (std::uint32_t start = open_; start != end(); ++start) {
        node& leaf = nodes_[end_of(start)];
        leaf.length = static_cast<std::uint16_t>(length_of(leaf));
        for (std::uint32_t n = end_of(start); n != 0; n = nodes_[n].parent) {
            nodes_[n].begin = start + nodes_[n].depth;
            nodes_.prefer(n);
        }
    }
    finished_[(first_ + sequences_++) % finished_.size()] = open_ = end();
    return true;
}

inline bool suffix_tree::remove_oldest() noexcept {
    if (open_size() != 0 || sequences_ == 0) return false;
    for (const std::uint32_t stop = finished_[first_]; oldest_ != stop; ++oldest_) remove_suffix(oldest_);
    first_ = (first_ + 1) % finished_.size();
    --sequences_;
    return true;
}

inline void suffix_tree::remove_suffix(std::uint32_t start) noexcept {
    std::uint32_t n = end_of(start);
    while (n != 0) {
        const std::uint32_t parent = nodes_[n].parent;
        nodes_.decrement(n);
        if (nodes_[n].count == 0) {
            nodes_.remove(n);
        } else {
            join_if_single(n);
        }
        n = parent;
    }
}

/// Visits the positions and probabilities of what most frequently follows a match.
template <class Visit>
void suffix_tree::walk(locus at, std::size_t match, std::size_t limit, const suffix_draft_options& options,
                       Visit&& visit) const noexcept {
    // Suffixes that end here say nothing about what follows. Along an edge that is not counted, but for one: where the
    // open sequence ends itself.
    std::uint32_t ends = open_size() != 0 ? 1 : 0;
    float all = 1.0f;
    for (const std::size_t stop = match + limit; match < stop; ++match, ++at.offset) {
        const node* n = &nodes_[at.node];
        const float unseen = options.unseen / (static_cast<float>(match) + 1.5f);
        float p = 0.0f;
        if (at.offset < length_of(*n)) {
            const auto count = static_cast<float>(n->count - std::min(ends, n->count - 1));
            p = count / (count + unseen);
        } else {
            if (n->top_child == 0) return;
            const auto continued = static_cast<float>(n->continued);
            at = {n->top_child, 0};
            n = &nodes_[at.node];
            p = static_cast<float>(n->count) / (continued + unseen);
            ends = 0;
        }
        all *= p;
        if (all < options.min_probability) return;
        visit(n->begin + at.offset, p);
    }
}

inline void suffix_tree::propose(const suffix_matches& matches, const suffix_draft_options& options, draft& out,
                                 float at_least) const noexcept {
    if (out.limit() == 0) return;
    const auto limit_of = [&](std::size_t match) {
        const float wanted = options.factor * static_cast<float>(match) + options.offset;
        return static_cast<std::size_t>(std::clamp(wanted, 1.0f, static_cast<float>(out.limit())));
    };
    float best = at_least;
    std::uint32_t found = matches.end;
    for (std::uint32_t start = matches.begin; start != matches.end; ++start) {
        const std::size_t match = matches.end - start, limit = limit_of(match);
        if (static_cast<float>(limit) <= best) break;  // shorter ones have lower limits
        float all = 1.0f, expected = 0.0f;
        walk(matches[start], match, limit, options, [&](std::uint32_t, float p) { expected += all *= p; });
        if (expected <= best) continue;
        best = expected;
        found = start;
    }
    if (found == matches.end) return;
    out.clear();
    out.set_match(matches.end - found);
    walk(matches[found], out.match(), limit_of(out.match()), options,
         [&](std::uint32_t position, float p) { out.push(token_at(position), p); });
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
