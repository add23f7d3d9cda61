// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SAMPLER_HPP
#define EARLYOUT_GENERATE_SAMPLER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/kernels/argmax.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Samples tokens from logits. A draw depends only on the seed and on its number, so a rollback has no state to
/// restore. All memory is allocated at construction.
class sampler {
public:
    explicit sampler(std::size_t vocab) : seen_(vocab) { candidates_.reserve(vocab); }

    /// Returns true when the options select the largest logit, so that no distribution is needed.
    [[nodiscard]] static bool takes_argmax(const generate_options& o) noexcept {
        return takes_best(o) && o.repetition_penalty == 1.0f;
    }

    /// @param logits  [vocab], -infinity for masked tokens
    /// @param history prompt and tokens so far, for the repetition penalty
    /// @param draw    number of this draw in the completion
    /// @throws error (wrong_value) for logits with NaN or +infinity, or all of them -infinity; (invalid_argument) for
    ///         logits of another vocabulary, (out_of_range) for history with ids outside it
    [[nodiscard]] token_id operator()(std::span<const float> logits, std::span<const token_id> history,
                                      const generate_options& o, std::uint64_t draw) {
        collect(logits, history, o.repetition_penalty);
        if (takes_best(o)) return best();
        const float most = std::ranges::max(candidates_, {}, &candidate::score).score;
        for (candidate& c : candidates_) c.score = (c.score - most) / o.temperature;
        keep_top_k(o.top_k);
        for (candidate& c : candidates_) c.score = std::exp(c.score);  // from here on: weight relative to the best
        keep_top_p(o.top_p);
        if (o.min_p > 0.0f) std::erase_if(candidates_, [&](const candidate& c) { return c.score < o.min_p; });
        return pick(uniform(o.seed, draw));
    }

    /// Returns a number in [0, 1) from a seed and a counter (SplitMix64, Steele et al., 2014).
    [[nodiscard]] static double uniform(std::uint64_t seed, std::uint64_t draw) noexcept {
        return static_cast<double>(mix(mix(seed) + draw) >> 11) * 0x1p-53;
    }

private:
    struct candidate {
        float score = 0.0f;
        token_id id = 0;
    };

    static bool takes_best(const generate_options& o) noexcept {
        return o.temperature == 0.0f || o.top_k == 1 || o.top_p == 0.0f;
    }

    static std::uint64_t mix(std::uint64_t x) noexcept {
        x += 0x9e3779b97f4a7c15u;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
        return x ^ (x >> 31);
    }

    void collect(std::span<const float> logits, std::span<const token_id> history, float penalty) {
        if (logits.size() != seen_.size() || logits.empty()) {
            fail(errc::invalid_argument, "logits: expected ", seen_.size(), " values, found ", logits.size());
        }
        candidates_.resize(logits.size());  // within the reserve
        constexpr float infinity = std::numeric_limits<float>::infinity();
        float largest = -infinity;
        bool numbers = true;
        for (std::size_t i = 0; i < logits.size(); ++i) {
            candidates_[i] = {logits[i], static_cast<token_id>(i)};
            numbers &= logits[i] < infinity;  // not so for NaN
            largest = std::max(largest, logits[i]);
        }
        if (!numbers || largest == -infinity) {
            fail(errc::wrong_value, "logits: expected numbers, found ",
                 numbers ? "-infinity for every token" : "NaN or infinity");
        }
        if (penalty == 1.0f) return;
        for (const token_id id : history) {
            if (id < 0 || std::cmp_greater_equal(id, seen_.size())) {
                fail(errc::out_of_range, "history: expected token ids 0 .. ", seen_.size() - 1, ", found ", id);
            }
        }
        constexpr float most = std::numeric_limits<float>::max();
        for (const token_id id : history) {
            const auto index = static_cast<std::size_t>(id);
            if (seen_[index] != 0) continue;
            seen_[index] = 1;
            float& score = candidates_[index].score;
            if (score == -infinity) continue;
            score = std::clamp(score < 0.0f ? score * penalty : score / penalty, -most, most);
        }
        for (const token_id id : history) seen_[static_cast<std::size_t>(id)] = 0;
    }

    [[nodiscard]] token_id best() const { return std::ranges::max_element(candidates_, {}, &candidate::score)->id; }

    void keep_top_k(std::size_t k) {
        if (k == 0 || k >= candidates_.size()) return;
        const auto last = candidates_.begin() + static_cast<std::ptrdiff_t>(k - 1);
        std::ranges::nth_element(candidates_, last, std::ranges::greater{}, &candidate::score);
        const float least = last->score;
        std::erase_if(candidates_, [&](const candidate& c) { return c.score < least; });
    }

    /// Pops the most likely off a heap until their weight reaches top_p of the total: no need to sort them all.
    void keep_top_p(float top_p) {
        if (top_p >= 1.0f) return;
        double whole = 0.0;
        for (const candidate& c : candidates_) whole += c.score;
        std::ranges::make_heap(candidates_, less);
        auto heap_end = candidates_.end();
        for (double taken = 0.0; heap_end != candidates_.begin() && taken < top_p * whole;) {
            std::ranges::pop_heap(candidates_.begin(), heap_end, less);
            --heap_end;
            taken += heap_end->score;
        }
        candidates_.erase(candidates_.begin(), heap_end);
    }

    /// Returns the candidate at which the running sum of weights passes u of the total, in order of id.
    [[nodiscard]] token_id pick(double u) {
        std::ranges::sort(candidates_, {}, &candidate::id);
        double whole = 0.0;
        for (const candidate& c : candidates_) whole += c.score;
        double sum = 0.0;
        token_id last = candidates_.front().id;
        for (const candidate& c : candidates_) {
            sum += c.score;
            if (sum > u * whole) return c.id;
            if (c.score > 0.0f) last = c.id;
        }
        return last;  // u * whole rounded up to whole
    }

    static bool less(const candidate& a, const candidate& b) noexcept {
        return a.score != b.score ? a.score < b.score : a.id > b.id;
    }

    std::vector<candidate> candidates_;
    std::vector<std::uint8_t> seen_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
