// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_INFILL_FILTER_HPP
#define EARLYOUT_GENERATE_DETAIL_INFILL_FILTER_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/generate/detail/sample_candidate.hpp>
#include <earlyout/generate/options.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// The filter that infill_vocabulary explains, over candidates whose scores are weights. Does not allocate.
class infill_filter {
public:
    /// @param end_allowed whether the token that ends a middle may be drawn
    infill_filter(std::vector<sample_candidate>& candidates, const infill_vocabulary& words, bool end_allowed)
        : candidates_(candidates), words_(words), end_allowed_(end_allowed) {}

    /// Leaves at least one candidate.
    void apply() {
        double texts = 0.0, ends = 0.0;
        for (const sample_candidate& c : candidates_) (is_end(c) ? ends : texts) += c.score;
        if (3.0 * ends * static_cast<double>(candidates_.size()) > texts) {
            std::erase_if(candidates_, [this](const sample_candidate& c) { return !is_end(c); });
            return;
        }
        std::ranges::sort(candidates_, likelier);
        const sample_candidate likeliest = candidates_.front();
        merge_texts();
        drop_texts_below(0.2 * (texts + ends));
        if (count_texts() == 0) {
            candidates_.assign(1, end_allowed_ ? sample_candidate{1.0f, words_.end} : likeliest);
            return;
        }
        double left = 0.0;
        for (const sample_candidate& c : candidates_) left += c.score;
        drop_texts_below(left / static_cast<double>(count_texts() + 1));
    }

private:
    static constexpr std::size_t max_merged = 64;

    static bool likelier(const sample_candidate& a, const sample_candidate& b) noexcept {
        return a.score != b.score ? a.score > b.score : a.id < b.id;
    }
    [[nodiscard]] bool is_end(const sample_candidate& c) const noexcept {
        const auto index = static_cast<std::size_t>(c.id);
        return index < words_.ends.size() && words_.ends[index] != 0;
    }
    [[nodiscard]] std::string_view piece(const sample_candidate& c) const noexcept {
        const auto index = static_cast<std::size_t>(c.id);
        return index < words_.pieces.size() ? words_.pieces[index] : std::string_view();
    }

    /// A merged candidate has no weight any more.
    void merge_texts() noexcept {
        const std::span<sample_candidate> merged(candidates_.data(), std::min(candidates_.size(), max_merged));
        for (sample_candidate& one : merged) {
            for (sample_candidate& other : merged) {
                if (one.score == 0.0f) break;
                if (&one == &other || other.score == 0.0f || piece(one).empty()) continue;
                if (!piece(other).starts_with(piece(one))) continue;
                sample_candidate& into = other.score > one.score ? other : one;
                into.score = one.score + other.score;
                (&into == &one ? other : one).score = 0.0f;
            }
        }
    }
    void drop_texts_below(double least) noexcept {
        std::erase_if(candidates_, [&](const sample_candidate& c) {
            return c.score == 0.0f || (!is_end(c) && static_cast<double>(c.score) < least);
        });
    }
    [[nodiscard]] std::size_t count_texts() const noexcept {
        return static_cast<std::size_t>(
            std::ranges::count_if(candidates_, [this](const sample_candidate& c) { return !is_end(c); }));
    }

    std::vector<sample_candidate>& candidates_;
    const infill_vocabulary& words_;
    bool end_allowed_;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
