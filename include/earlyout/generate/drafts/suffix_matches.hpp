// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_SUFFIX_MATCHES_HPP
#define EARLYOUT_GENERATE_DRAFTS_SUFFIX_MATCHES_HPP

#include <earlyout/core/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {
struct suffix_tree_inspector;  // defined by tests
}

/// How drafts are taken from a suffix tree. Of `continued` continuations of the last m tokens, `count` of them the
/// same, its probability is count / (continued + unseen / (m + 1.5)): after few tokens, and few continuations, what was
/// never seen is likely. (The default fits source code, where what followed once follows again in 43 % of the cases
/// after one token, in 66 % after 4 to 7 and in 92 % after 32.)
struct suffix_draft_options {
    float min_probability = 0.1f;  ///< of a draft's tokens together: it ends before the product falls below
    float factor = 4.0f;           ///< a draft by m last tokens has at most factor * m + offset tokens,
    float offset = 0.0f;           ///< at least one
    float unseen = 2.5f;           ///< >= 0
};

/// Where in a suffix tree the last tokens of a sequence occur: the last one, the last two, and so on while they do.
class suffix_matches {
public:
    static constexpr std::size_t max_depth = 64;

    /// Returns how many last tokens occur.
    [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
    void clear() noexcept { begin = end; }

private:
    friend class suffix_tree;
    friend struct detail::suffix_tree_inspector;

    /// The end of a substring: `offset` tokens along the edge to a node.
    struct locus {
        std::uint32_t node;
        std::uint16_t offset;
    };

    [[nodiscard]] locus& operator[](std::uint32_t start) noexcept { return loci_[start % max_depth]; }
    [[nodiscard]] const locus& operator[](std::uint32_t start) const noexcept { return loci_[start % max_depth]; }
    /// Adds the empty suffix, at the root.
    void push() noexcept { (*this)[end++] = {0, 0}; }
    void pop() noexcept { --end; }

    std::array<locus, max_depth> loci_{};  ///< by where the suffix starts
    std::uint32_t begin = 0;               ///< start of the longest
    std::uint32_t end = 0;                 ///< where the sequence ends
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
