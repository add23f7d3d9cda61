// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_RECYCLED_DRAFTS_HPP
#define EARLYOUT_GENERATE_DRAFTS_RECYCLED_DRAFTS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/drafts/draft.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/drafter_info.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Drafts, token by token, what last followed each token in the sequence: the first column of Token Recycling (arXiv
/// 2408.08696). Proposes where drafters that need longer matches find none. State: 4 bytes for each token of the
/// vocabulary and 8 for each of the sequence.
struct recycled_drafts {
    static constexpr drafter_info info{.name = "recycled", .brief = "what last followed each token"};
    static constexpr std::string_view name = info.name;

    [[nodiscard]] static recycled_drafts from(std::span<const float>) noexcept { return {}; }

    std::size_t max_tokens = 4;  ///< of a draft
    float probability = 0.3f;    ///< of each token: a guess, which the acceptance that is measured corrects

    class state {
    public:
        /// Throws out_of_memory.
        explicit state(const draft_limits& limits)
            : next_(detail::only_errors("recycled_drafts", [&] { return std::vector<token_id>(limits.vocab, none); })) {
            detail::only_errors("recycled_drafts", [&] { seen_.reserve(limits.tokens); });
        }

    private:
        friend struct recycled_drafts;
        static constexpr token_id none = -1;

        struct step {
            token_id id;
            token_id replaced;  ///< what followed the token before it until now
        };
        [[nodiscard]] token_id& after(token_id id) noexcept { return next_[static_cast<std::size_t>(id)]; }
        [[nodiscard]] token_id after(token_id id) const noexcept { return next_[static_cast<std::size_t>(id)]; }

        std::vector<token_id> next_;  ///< by token
        std::vector<step> seen_;      ///< by position
    };

    [[nodiscard]] state start(const draft_limits& limits) const { return state(limits); }

    void propose(std::span<const token_id> ids, const state& s, draft& out) const noexcept {
        token_id id = ids.back();
        while (out.size() < max_tokens && !out.is_full()) {
            id = s.after(id);
            if (id == state::none) break;
            out.push(id, probability);
        }
        if (!out.empty()) out.set_match(1);
    }
    void append(std::span<const token_id> ids, state& s) const noexcept {
        for (const token_id id : ids) {
            if (s.seen_.size() == s.seen_.capacity()) return;
            token_id replaced = state::none;
            if (!s.seen_.empty()) replaced = std::exchange(s.after(s.seen_.back().id), id);
            s.seen_.push_back({id, replaced});
        }
    }
    void rollback(std::size_t size, state& s) const noexcept {
        while (s.seen_.size() > size) {
            const token_id replaced = s.seen_.back().replaced;
            s.seen_.pop_back();
            if (!s.seen_.empty()) s.after(s.seen_.back().id) = replaced;
        }
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
