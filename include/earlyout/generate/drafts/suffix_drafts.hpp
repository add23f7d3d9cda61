// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_SUFFIX_DRAFTS_HPP
#define EARLYOUT_GENERATE_DRAFTS_SUFFIX_DRAFTS_HPP

#include <earlyout/generate/drafts/draft.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/drafter_info.hpp>
#include <earlyout/generate/drafts/suffix_matches.hpp>
#include <earlyout/generate/drafts/suffix_tree.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Drafts what followed the last tokens when they occurred before in the sequence: a suffix tree of the prompt and the
/// generated tokens (SuffixDecoding, arXiv 2411.04975). Probabilities are shares of the continuations seen,
/// uncorrected: what was seen once has probability 1. State: suffix_tree::bytes(limits.tokens), about 120 bytes for
/// each token.
struct suffix_drafts {
    static constexpr drafter_info info{.name = "suffix", .brief = "what followed the last tokens earlier in the text"};
    static constexpr std::string_view name = info.name;

    suffix_draft_options options{};
    std::size_t max_depth = suffix_tree::max_depth;  ///< tokens of the longest match and its draft together

    struct state {
        suffix_tree tree;
    };

    [[nodiscard]] static suffix_drafts from(std::span<const float>) noexcept { return {}; }

    /// Throws invalid_argument if max_depth is not 1 .. suffix_tree::max_depth, out_of_memory.
    [[nodiscard]] state start(const draft_limits& limits) const {
        return {suffix_tree(std::max<std::size_t>(limits.tokens, 1), max_depth)};
    }
    void propose(std::span<const token_id> /*ids*/, const state& s, draft& out) const noexcept {
        s.tree.propose(s.tree.matches(), options, out);
    }
    void append(std::span<const token_id> ids, state& s) const noexcept {
        for (const token_id id : ids) s.tree.append(id);
    }
    void rollback(std::size_t size, state& s) const noexcept {
        while (s.tree.open_size() > size) s.tree.pop_back();
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
