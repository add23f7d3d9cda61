// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_HASHED_DRAFTS_HPP
#define EARLYOUT_GENERATE_DRAFTS_HASHED_DRAFTS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/drafts/draft.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/drafter_info.hpp>
#include <earlyout/generate/drafts/hashed_table.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Drafts, token by token, what last followed the last n tokens: one table by their hash (llama.cpp's "ngram-mod"). A
/// fraction of a suffix tree's memory and time, without counts. A token's probability is the share of right entries
/// among those that the sequence met so far, from `prior` on. State: the table and 16 bytes for each token.
///
/// A table of several sequences (`shared`) is what any of them appended: it survives them and their rollbacks. It is
/// not emptied after bad drafts, as that could not be rolled back; what was wrong has been overwritten by then.
struct hashed_drafts {
    static constexpr std::size_t max_n = 16;
    static constexpr gate_parameter parameters[]{{.name = "tokens",
                                                  .meaning = "tokens that a draft is found by",
                                                  .comparison = "",
                                                  .otherwise = 3.0f,
                                                  .min = 1.0f,
                                                  .max = static_cast<float>(max_n)}};
    static constexpr drafter_info info{
        .name = "hashed", .brief = "what last followed the last few tokens", .parameters = parameters};
    static constexpr std::string_view name = info.name;

    [[nodiscard]] static hashed_drafts from(std::span<const float> values) {
        hashed_drafts made;
        made.n = static_cast<std::size_t>(values[0]);
        return made;
    }

    std::size_t n = 3;                               ///< tokens that a draft is found by, 1 .. max_n
    std::size_t bits = hashed_table::default_bits;   ///< a sequence's own table has 2^bits entries of 8 bytes
    float prior = 0.5f;                              ///< probability of a token before any entry was met
    float min_probability = 0.1f;                    ///< of a draft's tokens together
    std::shared_ptr<hashed_table> shared = nullptr;  ///< in place of an own table

    class state {
    public:
        state(std::shared_ptr<hashed_table> table, std::size_t tokens) : table_(std::move(table)) {
            seen_.reserve(tokens);
        }

    private:
        friend struct hashed_drafts;

        struct step {
            token_id id;
            bool met = false, right = false;  ///< an entry said what follows; this token
            hashed_table::entry replaced = 0;
        };
        /// Hashes the last tokens before a position.
        [[nodiscard]] std::uint64_t hash_before(std::size_t position, std::size_t tokens) const noexcept {
            std::array<token_id, max_n> ids{};
            for (std::size_t i = 0; i < tokens; ++i) ids[i] = seen_[position - tokens + i].id;
            return hashed_table::hash(std::span(ids).first(tokens));
        }

        std::shared_ptr<hashed_table> table_;
        std::vector<step> seen_;  ///< by position
        std::size_t met_ = 0, right_ = 0;
    };

    /// Throws invalid_argument, out_of_memory.
    [[nodiscard]] state start(const draft_limits& limits) const {
        if (n == 0 || n > max_n) {
            fail(errc::invalid_argument, "hashed_drafts: n: expected 1 .. ", max_n, ", found ", n);
        }
        return detail::only_errors("hashed_drafts", [&] {
            return state(shared != nullptr ? shared : std::make_shared<hashed_table>(bits), limits.tokens);
        });
    }

    void propose(std::span<const token_id> ids, const state& s, draft& out) const noexcept {
        if (ids.size() < n) return;
        const float p = probability(s);
        std::array<token_id, max_n + draft::max_size> last{};
        std::ranges::copy(ids.last(n), last.begin());
        float all = p;
        for (std::size_t i = 0; !out.is_full() && all >= min_probability; ++i, all *= p) {
            const std::optional<token_id> next = s.table_->find(hashed_table::hash(std::span(last).subspan(i, n)));
            if (!next) break;
            out.push(last[n + i] = *next, p);
        }
        if (!out.empty()) out.set_match(n);
    }
    void append(std::span<const token_id> ids, state& s) const noexcept {
        for (const token_id id : ids) {
            if (s.seen_.size() == s.seen_.capacity()) return;
            typename state::step made{.id = id};
            if (s.seen_.size() >= n) {
                const std::uint64_t hash = s.hash_before(s.seen_.size(), n);
                const std::optional<token_id> expected = s.table_->find(hash);
                made.met = expected.has_value();
                made.right = expected == id;
                made.replaced = s.table_->store(hash, id);
                s.met_ += made.met;
                s.right_ += made.right;
            }
            s.seen_.push_back(made);
        }
    }
    void rollback(std::size_t size, state& s) const noexcept {
        while (s.seen_.size() > size) {
            const auto last = s.seen_.back();
            s.seen_.pop_back();
            s.met_ -= last.met;
            s.right_ -= last.right;
            if (shared == nullptr && s.seen_.size() >= n) {
                s.table_->restore(s.hash_before(s.seen_.size(), n), last.replaced);
            }
        }
    }

private:
    /// The prior counts like that many entries.
    static constexpr float prior_weight = 8.0f;

    [[nodiscard]] float probability(const state& s) const noexcept {
        return (prior * prior_weight + static_cast<float>(s.right_)) / (prior_weight + static_cast<float>(s.met_));
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
