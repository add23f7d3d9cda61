// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_GENERATE_DRAFTS_SUFFIX_REFERENCE_HPP
#define EARLYOUT_TESTS_GENERATE_DRAFTS_SUFFIX_REFERENCE_HPP

#include <earlyout/generate/drafts/suffix_tree.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace support {

using token_string = std::vector<earlyout::token_id>;

/// What a suffix tree holds, as counts of all substrings.
class suffix_reference {
public:
    explicit suffix_reference(std::size_t depth) : depth_(depth) {}

    void append(earlyout::token_id token) { open.push_back(token); }
    void pop_back() { open.pop_back(); }
    void finish() {
        finished.push_back(open);
        begins_.push_back(open_begin_);
        open_begin_ += open.size();
        open.clear();
    }
    void remove_oldest() {
        finished.pop_front();
        begins_.pop_front();
    }

    struct entry {
        std::size_t count = 0;
        std::size_t newest = 0;  ///< the newest in a finished sequence, else the first in the open one
        bool is_finished = false;
        bool ends = false;  ///< a finished sequence's suffix, cut at the depth, ends here
        std::map<earlyout::token_id, std::size_t> next;
    };
    using table = std::map<token_string, entry>;

    [[nodiscard]] table count() const {
        table all;
        const auto add = [&](const token_string& text, std::size_t begin, bool is_finished) {
            for (std::size_t start = 0; start < text.size(); ++start) {
                token_string part;
                for (std::size_t i = start; i < std::min(text.size(), start + depth_); ++i) {
                    if (!part.empty()) ++all[part].next[text[i]];
                    part.push_back(text[i]);
                    entry& e = all[part];
                    if (e.count++ == 0 || is_finished) e.newest = begin + start;
                    e.is_finished = e.is_finished || is_finished;
                }
                if (is_finished) all[part].ends = true;
            }
        };
        for (std::size_t i = 0; i < finished.size(); ++i) add(finished[i], begins_[i], true);
        add(open, open_begin_, false);
        return all;
    }

    /// The most frequent continuation; of equal ones the newest.
    [[nodiscard]] static earlyout::token_id top_token(const table& all, token_string part) {
        std::tuple<std::size_t, std::size_t> best{0, 0};
        earlyout::token_id found = -1;
        for (const auto& [token, count] : all.at(part).next) {
            part.push_back(token);
            const std::tuple<std::size_t, std::size_t> rank{count, all.at(part).newest};
            part.pop_back();
            if (found >= 0 && rank <= best) continue;
            best = rank;
            found = token;
        }
        return found;
    }

    struct proposal {
        token_string ids;
        std::vector<float> probabilities;
        float expected = 0.0f;
    };
    /// Drafts by the last `match` tokens of a context.
    [[nodiscard]] proposal draft_by(const table& all, const token_string& context, std::size_t match,
                                    const earlyout::suffix_draft_options& options, std::size_t limit) const {
        token_string part(context.end() - static_cast<std::ptrdiff_t>(match), context.end());
        const float wanted = options.factor * static_cast<float>(match) + options.offset;
        const auto most = static_cast<std::size_t>(std::clamp(wanted, 1.0f, static_cast<float>(limit)));
        proposal made;
        float product = 1.0f;
        while (made.ids.size() < most && part.size() < depth_ && !all.at(part).next.empty()) {
            const earlyout::token_id token = top_token(all, part);
            std::size_t sum = 0;
            for (const auto& [other, count] : all.at(part).next) sum += count;
            const float unseen = options.unseen / (static_cast<float>(part.size()) + 1.5f);
            const float p = static_cast<float>(all.at(part).next.at(token)) / (static_cast<float>(sum) + unseen);
            product *= p;
            if (product < options.min_probability) break;
            made.ids.push_back(token);
            made.probabilities.push_back(p);
            made.expected += product;
            part.push_back(token);
        }
        return made;
    }
    /// How many last tokens of a context occur, the context's own end excluded if it is the open sequence.
    [[nodiscard]] std::size_t matches(const table& all, const token_string& context, bool is_open) const {
        std::size_t match = 0;
        for (std::size_t m = 1; m <= std::min(context.size(), depth_ - 1); ++m) {
            const auto found = all.find({context.end() - static_cast<std::ptrdiff_t>(m), context.end()});
            if (found == all.end() || found->second.count < (is_open ? 2u : 1u)) break;
            match = m;
        }
        return match;
    }

    token_string open;
    std::deque<token_string> finished;

private:
    std::size_t depth_;
    std::size_t open_begin_ = 0;
    std::deque<std::size_t> begins_;
};

}  // namespace support

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// Looks into a suffix tree.
struct suffix_tree_inspector {
    const suffix_tree& tree;

    [[nodiscard]] support::token_string path(std::uint32_t n, std::uint32_t length) const {
        const suffix_node& at = tree.nodes_[n];
        support::token_string made;
        for (std::uint32_t i = at.begin - at.depth; i != at.begin + length; ++i) made.push_back(tree.token_at(i));
        return made;
    }
    /// All that the tree says, in an order that does not depend on where nodes are stored.
    [[nodiscard]] std::string content() const {
        std::ostringstream out;
        visit(0, [&](std::uint32_t n) {
            const suffix_node& at = tree.nodes_[n];
            out << at.begin << '+' << tree.length_of(at) << '@' << at.depth << ':' << at.token << " count " << at.count
                << '/' << at.continued << " then " << (n == 0 ? 0 : tree.nodes_[at.top_child].token) << '\n';
        });
        for (std::uint32_t start = tree.active_.begin; start != tree.active_.end; ++start) {
            const auto at = tree.active_[start];
            out << start << ": " << tree.nodes_[at.node].begin << '+' << at.offset << '\n';
        }
        out << tree.end() << ' ' << tree.open_ << ' ' << tree.oldest_ << ' ' << tree.nodes_in_use();
        return out.str();
    }
    /// Returns what is wrong; empty: nothing.
    [[nodiscard]] std::string compare(const support::suffix_reference& reference, std::size_t depth) const {
        const auto all = reference.count();
        std::ostringstream wrong;
        std::size_t substrings = 0, nodes = 0;
        visit(0, [&](std::uint32_t n) {
            const suffix_node& at = tree.nodes_[n];
            if (n != 0) {
                ++nodes;
                substrings += tree.length_of(at);
                const auto whole = path(n, tree.length_of(at));
                if (whole.size() > depth) wrong << "too deep; ";
                if (!all.contains(whole)) {
                    wrong << "a path that does not occur; ";
                    return;
                }
                if (at.token != tree.token_at(at.begin)) wrong << "first token; ";
                if (all.at(path(n, 1)).count != at.count) wrong << "count " << at.count << "; ";
                for (std::uint32_t i = 1; i < tree.length_of(at); ++i) {
                    const auto& inside = all.at(path(n, i));
                    if (inside.next.size() != 1 || inside.ends) wrong << "a node is missing; ";
                }
                const auto& end = all.at(whole);
                if (end.next.size() == 1 && !end.ends && whole.size() < depth) wrong << "a superfluous node; ";
                if (at.top_child != 0 &&
                    tree.nodes_[at.top_child].token != support::suffix_reference::top_token(all, whole)) {
                    wrong << "most frequent; ";
                }
                if (at.continued > at.count) wrong << "more go on than come; ";
            }
            std::uint32_t sum = 0, previous = 0;
            for (std::uint32_t c = at.first_child; c != 0; c = tree.nodes_[c].next) {
                sum += tree.nodes_[c].count;
                if (tree.nodes_[c].parent != n || tree.nodes_[c].previous != previous) wrong << "links; ";
                if (tree.nodes_.find(n, tree.nodes_[c].token) != c) wrong << "hash; ";
                if (tree.nodes_[c].depth != at.depth + at.length) wrong << "depth; ";
                if (n != 0 && tree.nodes_[c].count > tree.nodes_[at.top_child].count) wrong << "a larger child; ";
                previous = c;
            }
            if (sum != (n == 0 ? sum : at.continued) || (n != 0 && (at.first_child == 0) != (at.top_child == 0)))
                wrong << "sum of children; ";
        });
        if (substrings != all.size()) wrong << substrings << " substrings of " << all.size() << "; ";
        if (nodes != tree.nodes_in_use() || nodes > 2 * tree.size()) wrong << nodes << " nodes; ";
        check_ends(reference, depth, wrong);
        return wrong.str();
    }

private:
    /// Each finished suffix ends at the node that spells it; each active one at its place.
    void check_ends(const support::suffix_reference& reference, std::size_t depth, std::ostream& wrong) const {
        std::uint32_t start = tree.oldest_;
        const auto spelled = [&](std::uint32_t n, std::uint32_t length, std::uint32_t stop) {
            const auto found = path(n, length);
            support::token_string expected;
            for (std::uint32_t i = start; i != stop && expected.size() < depth; ++i)
                expected.push_back(tree.token_at(i));
            if (found != expected) wrong << "end of " << start << "; ";
        };
        for (const auto& sequence : reference.finished) {
            const std::uint32_t stop = start + static_cast<std::uint32_t>(sequence.size());
            for (; start != stop; ++start) {
                const std::uint32_t n = tree.ends_[start & tree.mask_];
                spelled(n, tree.nodes_[n].length, stop);
            }
        }
        for (; start != tree.end(); ++start) {
            const bool is_active = tree.end() - start <= tree.active_.size();
            const std::uint32_t n = is_active ? tree.active_[start].node : tree.ends_[start & tree.mask_];
            spelled(n, is_active ? tree.active_[start].offset : tree.length_of(tree.nodes_[n]), tree.end());
        }
    }
    template <class Visit>
    void visit(std::uint32_t n, Visit&& visitor) const {
        visitor(n);
        std::map<token_id, std::uint32_t> children;
        for (std::uint32_t c = tree.nodes_[n].first_child; c != 0; c = tree.nodes_[c].next) {
            children[tree.nodes_[c].token] = c;
        }
        for (const auto& [token, child] : children) visit(child, visitor);
    }
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
