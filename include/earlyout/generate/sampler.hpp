// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SAMPLER_HPP
#define EARLYOUT_GENERATE_SAMPLER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/detail/infill_filter.hpp>
#include <earlyout/generate/detail/sample_candidate.hpp>
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
        return takes_best(o) && (o.repetition_penalty == 1.0f || !applies(o, sample_filter::penalties));
    }

    /// @param logits  [vocab], -infinity for masked tokens
    /// @param history prompt and tokens so far, for the repetition penalty
    /// @param draw    number of this draw in the completion
    /// @throws error (wrong_value) for logits with NaN or +infinity, or all of them -infinity; (invalid_argument) for
    ///         logits of another vocabulary, (out_of_range) for history with ids outside it
    [[nodiscard]] token_id operator()(std::span<const float> logits, std::span<const token_id> history,
                                      const generate_options& o, std::uint64_t draw) {
        if (!o.filters.empty()) return draw_filtered(logits, history, o, draw);
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
    using candidate = detail::sample_candidate;

    static bool applies(const generate_options& o, sample_filter filter) noexcept {
        return o.filters.empty() ? filter != sample_filter::infill
                                 : std::ranges::find(o.filters, filter) != o.filters.end();
    }
    static bool takes_best(const generate_options& o) noexcept {
        const bool best_of_all = (o.temperature == 0.0f && applies(o, sample_filter::temperature)) ||
                                 (o.top_k == 1 && applies(o, sample_filter::top_k)) ||
                                 (o.top_p == 0.0f && applies(o, sample_filter::top_p));
        return best_of_all && !applies(o, sample_filter::infill);
    }

    /// Draws after the filters of an explicit order.
    [[nodiscard]] token_id draw_filtered(std::span<const float> logits, std::span<const token_id> history,
                                         const generate_options& o, std::uint64_t draw) {
        collect(logits, {}, 1.0f);
        offset_ = 0.0f;
        are_weights_ = false;
        for (const sample_filter filter : o.filters) {
            switch (filter) {
                case sample_filter::penalties: penalise(history, o.repetition_penalty); break;
                case sample_filter::temperature:
                    if (o.temperature == 0.0f) return best();
                    heat(o.temperature);
                    break;
                case sample_filter::top_k: keep_top_k(o.top_k); break;
                case sample_filter::top_p:
                    to_weights();
                    o.top_p > 0.0f ? keep_top_p(o.top_p) : keep_top_k(1);
                    break;
                case sample_filter::min_p:
                    to_weights();
                    keep_min_p(o.min_p);
                    break;
                case sample_filter::infill:
                    to_weights();
                    detail::infill_filter(candidates_, *o.infill, may_end(logits, o.infill->end)).apply();
                    break;
            }
        }
        to_weights();
        return pick(uniform(o.seed, draw));
    }
    static bool may_end(std::span<const float> logits, token_id end) noexcept {
        return end >= 0 && std::cmp_less(end, logits.size()) &&
               logits[static_cast<std::size_t>(end)] != -std::numeric_limits<float>::infinity();
    }

    // Between filters a candidate's logit is its score + offset_, or the weight exp(score) in place of the score.
    void to_weights() {
        if (are_weights_) return;
        const float most = std::ranges::max(candidates_, {}, &candidate::score).score;
        offset_ += most;
        for (candidate& c : candidates_) c.score = std::exp(c.score - most);
        are_weights_ = true;
    }
    void to_logits() {
        if (!are_weights_) return;
        for (candidate& c : candidates_) c.score = std::log(c.score);
        are_weights_ = false;
    }
    /// The best need not have the weight 1 here: `infill` drops and merges.
    void keep_min_p(float min_p) {
        const float most = std::ranges::max(candidates_, {}, &candidate::score).score;
        std::erase_if(candidates_, [&](const candidate& c) { return c.score < min_p * most; });
    }
    void heat(float temperature) {
        to_logits();
        const float most = std::ranges::max(candidates_, {}, &candidate::score).score;
        for (candidate& c : candidates_) c.score = (c.score - most) / temperature;
        offset_ = limited((most + offset_) / temperature);
    }
    void penalise(std::span<const token_id> history, float penalty) {
        if (penalty == 1.0f) return;
        to_logits();
        check_history(history);
        for (const token_id id : history) seen_[static_cast<std::size_t>(id)] = 1;
        for (candidate& c : candidates_) {
            if (seen_[static_cast<std::size_t>(c.id)] == 0 || c.score == -std::numeric_limits<float>::infinity()) {
                continue;
            }
            c.score = limited(penalised(limited(c.score + offset_), penalty) - offset_);
        }
        for (const token_id id : history) seen_[static_cast<std::size_t>(id)] = 0;
    }
    static float limited(float x) noexcept {
        constexpr float most = std::numeric_limits<float>::max();
        return std::clamp(x, -most, most);
    }
    static float penalised(float logit, float penalty) noexcept {
        return limited(logit < 0.0f ? logit * penalty : logit / penalty);
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
        check_history(history);
        for (const token_id id : history) {
            const auto index = static_cast<std::size_t>(id);
            if (seen_[index] != 0) continue;
            seen_[index] = 1;
            float& score = candidates_[index].score;
            if (score != -infinity) score = penalised(score, penalty);
        }
        for (const token_id id : history) seen_[static_cast<std::size_t>(id)] = 0;
    }

    void check_history(std::span<const token_id> history) const {
        for (const token_id id : history) {
            if (id < 0 || std::cmp_greater_equal(id, seen_.size())) {
                fail(errc::out_of_range, "history: expected token ids 0 .. ", seen_.size() - 1, ", found ", id);
            }
        }
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
    float offset_ = 0.0f;
    bool are_weights_ = false;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
