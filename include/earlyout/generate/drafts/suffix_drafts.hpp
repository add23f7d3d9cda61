// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_SUFFIX_DRAFTS_HPP
#define EARLYOUT_GENERATE_DRAFTS_SUFFIX_DRAFTS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/drafts/draft.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/drafter_info.hpp>
#include <earlyout/generate/drafts/suffix_matches.hpp>
#include <earlyout/generate/drafts/suffix_store.hpp>
#include <earlyout/generate/drafts/suffix_tree.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Drafts what followed the last tokens when they occurred before in the sequence: a suffix tree of the prompt and the
/// generated tokens (SuffixDecoding, arXiv 2411.04975). With a store also what followed them there, if more tokens of
/// that draft are expected to be accepted. State: suffix_tree::bytes(limits.tokens), about 110 bytes for each token.
struct suffix_drafts {
    static constexpr drafter_info info{.name = "suffix", .brief = "what followed the last tokens earlier in the text"};
    static constexpr std::string_view name = info.name;

    suffix_draft_options options{};
    std::size_t max_depth = suffix_tree::max_depth;       ///< tokens of the longest match and its draft together
    std::shared_ptr<const suffix_store> store = nullptr;  ///< of other sequences; may be shared and grow

    struct state {
        suffix_tree tree;
        suffix_store_cursor cursor{};
    };

    [[nodiscard]] static suffix_drafts from(std::span<const float>, const draft_sources& sources) {
        suffix_drafts made;
        made.store = sources.store;
        return made;
    }

    /// Throws invalid_argument if max_depth is not 1 .. suffix_tree::max_depth, mismatch if the store has a larger
    /// vocabulary than the model, out_of_memory.
    [[nodiscard]] state start(const draft_limits& limits) const {
        if (store != nullptr && store->options().vocab > limits.vocab) {
            fail(errc::mismatch, "suffix_drafts: vocabulary of the store: expected at most ", limits.vocab,
                 " tokens, found ", store->options().vocab);
        }
        return {suffix_tree(std::max<std::size_t>(limits.tokens, 1), max_depth)};
    }
    void propose(std::span<const token_id> ids, state& s, draft& out) const noexcept {
        s.tree.propose(s.tree.matches(), options, out);
        if (store != nullptr) store->propose(ids, s.cursor, options, out, out.expected_accepted());
    }
    void append(std::span<const token_id> ids, state& s) const noexcept {
        for (const token_id id : ids) s.tree.append(id);
    }
    void rollback(std::size_t size, state& s) const noexcept {
        while (s.tree.open_size() > size) s.tree.pop_back();
        s.cursor.rollback(size);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
