// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_SUFFIX_TREE_HPP
#define EARLYOUT_GENERATE_DRAFTS_SUFFIX_TREE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/drafts/detail/suffix_nodes.hpp>
#include <earlyout/generate/drafts/draft.hpp>
#include <earlyout/generate/drafts/suffix_matches.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A tree of all substrings of one or more sequences of token ids, up to max_depth tokens long, with their counts: what
/// followed the last tokens when they occurred before, and how often (SuffixDecoding, arXiv 2411.04975). Edges are
/// substrings of the stored tokens. A node is where continuations differ or a finished sequence ended, so that there
/// are at most two for each token. Nothing is allocated after construction; bytes() says what is allocated then, about
/// 100 to 120 bytes for each of max_tokens.
///
/// One sequence is open: tokens are appended to it and popped. Those before it are finished; the oldest of them can be
/// removed. Appending costs at most max_depth steps, about as many as the last tokens that occurred before.
class suffix_tree {
public:
    static constexpr std::size_t max_depth = suffix_matches::max_depth;

    /// @param max_tokens of all sequences together, at most 2^30
    /// @param depth tokens of the longest substring, 1 .. max_depth
    /// @param max_sequences finished ones
    /// Throws invalid_argument, out_of_memory.
    explicit suffix_tree(std::size_t max_tokens, std::size_t depth = max_depth, std::size_t max_sequences = 1)
        : max_tokens_(checked(max_tokens, depth, max_sequences)),
          depth_(static_cast<std::uint32_t>(depth)),
          nodes_(max_nodes(max_tokens)),
          tokens_(std::make_unique_for_overwrite<token_id[]>(std::bit_ceil(max_tokens))),
          ends_(std::make_unique_for_overwrite<std::uint32_t[]>(std::bit_ceil(max_tokens))),
          mask_(static_cast<std::uint32_t>(std::bit_ceil(max_tokens) - 1)),
          finished_(max_sequences) {}

    /// Returns the memory that the constructor allocates.
    [[nodiscard]] static constexpr std::size_t bytes(std::size_t max_tokens, std::size_t max_sequences = 1) noexcept {
        return detail::suffix_nodes::bytes(max_nodes(max_tokens)) +
               std::bit_ceil(max_tokens) * (sizeof(token_id) + sizeof(std::uint32_t)) +
               max_sequences * sizeof(std::uint32_t);
    }

    /// Returns the number of tokens of all sequences.
    [[nodiscard]] std::size_t size() const noexcept { return end() - oldest_; }
    /// Returns the number of tokens of the open sequence.
    [[nodiscard]] std::size_t open_size() const noexcept { return end() - open_; }
    /// Returns the number of finished sequences.
    [[nodiscard]] std::size_t sequences() const noexcept { return sequences_; }
    /// Returns the number of tokens of a finished sequence. index: < sequences(), 0 is the oldest
    [[nodiscard]] std::size_t sequence_size(std::size_t index) const noexcept {
        return sequence_end(index) - (index == 0 ? oldest_ : sequence_end(index - 1));
    }
    /// Returns a token by its index in all sequences, the oldest first. index: < size()
    [[nodiscard]] token_id token(std::size_t index) const noexcept {
        return token_at(oldest_ + static_cast<std::uint32_t>(index));
    }
    [[nodiscard]] std::size_t max_tokens() const noexcept { return max_tokens_; }
    /// Returns the number of nodes of the tree without its root.
    [[nodiscard]] std::size_t nodes_in_use() const noexcept { return nodes_.in_use(); }

    /// Appends a token to the open sequence. Returns false, without effect, when there are max_tokens.
    bool append(token_id token) noexcept;
    /// Undoes the last append(), exactly. Looks through a node's children where the most frequent one loses its lead.
    /// Without effect when the open sequence is empty.
    void pop_back() noexcept;
    /// Finishes the open sequence and opens an empty one. Returns false, without effect, when the open sequence is
    /// empty or there are max_sequences.
    bool finish() noexcept;
    /// Removes the oldest finished sequence. Returns false, without effect, when there is none or the open sequence is
    /// not empty.
    bool remove_oldest() noexcept;

    /// Returns where the last tokens of the open sequence occurred before.
    [[nodiscard]] const suffix_matches& matches() const noexcept { return active_; }
    /// Follows a sequence that is not of this tree: `matches` says where its last tokens occur. Valid until the tree
    /// changes.
    void advance(suffix_matches& matches, token_id token) const noexcept;
    /// Drafts what most often followed where the last tokens occurred: of the drafts by each number of last tokens the
    /// one of which most tokens are expected to be accepted; of equal ones the one by more tokens.
    /// @param out filled if any draft has more than `at_least` expected tokens
    void propose(const suffix_matches& matches, const suffix_draft_options& options, draft& out,
                 float at_least = 0.0f) const noexcept;

private:
    friend struct detail::suffix_tree_inspector;
    using locus = suffix_matches::locus;
    using node = detail::suffix_node;

    static constexpr std::size_t max_nodes(std::size_t max_tokens) noexcept { return 2 * max_tokens + 1; }
    static std::size_t checked(std::size_t max_tokens, std::size_t depth, std::size_t max_sequences) {
        if (max_tokens == 0 || max_tokens > std::size_t{1} << 30) {
            fail(errc::invalid_argument, "suffix_tree: max_tokens: expected 1 .. 2^30, found ", max_tokens);
        }
        if (depth == 0 || depth > max_depth) {
            fail(errc::invalid_argument, "suffix_tree: depth: expected 1 .. ", max_depth, ", found ", depth);
        }
        if (max_sequences == 0) fail(errc::invalid_argument, "suffix_tree: max_sequences: expected 1 or more, found 0");
        return max_tokens;
    }

    // Positions count the tokens ever appended, modulo 2^32.
    [[nodiscard]] std::uint32_t end() const noexcept { return active_.end; }
    [[nodiscard]] std::uint32_t sequence_end(std::size_t index) const noexcept {
        return finished_[(first_ + index) % finished_.size()];
    }
    [[nodiscard]] token_id token_at(std::uint32_t position) const noexcept { return tokens_[position & mask_]; }
    [[nodiscard]] std::uint32_t& end_of(std::uint32_t start) noexcept { return ends_[start & mask_]; }
    /// The edge of a leaf has the length that it will have and ends where the open sequence does.
    [[nodiscard]] std::uint32_t length_of(const node& n) const noexcept {
        return std::min<std::uint32_t>(n.length, end() - n.begin);
    }

    template <class Visit>
    void walk(locus at, std::size_t match, std::size_t limit, const suffix_draft_options& options,
              Visit&& visit) const noexcept;
    bool follow(locus& at, token_id token) const noexcept;
    void grow(locus at, std::uint32_t start) noexcept;
    void retreat(locus& at) noexcept;
    void divide(std::uint32_t lower, std::uint16_t offset) noexcept;
    void join_if_single(std::uint32_t n) noexcept;
    void remove_suffix(std::uint32_t start) noexcept;
    [[nodiscard]] std::uint32_t ends_on(std::uint32_t n) const noexcept;

    std::size_t max_tokens_;
    std::uint32_t depth_;
    detail::suffix_nodes nodes_;
    std::unique_ptr<token_id[]> tokens_;
    std::unique_ptr<std::uint32_t[]> ends_;  ///< the node at which the suffix that starts at a position ends
    std::uint32_t mask_;
    std::vector<std::uint32_t> finished_;  ///< a ring: where finished sequences end
    std::size_t first_ = 0, sequences_ = 0;
    std::uint32_t oldest_ = 0;  ///< position of the first token
    std::uint32_t open_ = 0;    ///< and of the open sequence's
    suffix_matches active_;     ///< suffixes of the open sequence that occurred before: not leaves yet
};

}}  // namespace earlyout::EARLYOUT_ABI

#include <earlyout/generate/drafts/detail/suffix_tree_inl.hpp>  // IWYU pragma: keep

#endif
