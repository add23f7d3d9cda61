// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_METRICS_HPP
#define EARLYOUT_CALIBRATE_METRICS_HPP

#include <earlyout/core/token.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

namespace detail {

/// Returns the length of the longest common subsequence, in O(a b) time and O(b) memory.
template <class A, class B>
[[nodiscard]] std::size_t common_subsequence(const A& a, const B& b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (const auto& x : a) {
        std::size_t diagonal = 0;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t above = row[j + 1];
            row[j + 1] = x == b[j] ? diagonal + 1 : std::max(above, row[j]);
            diagonal = above;
        }
    }
    return row.back();
}

using ngram_counts = std::map<std::vector<token_id>, std::size_t>;

[[nodiscard]] inline ngram_counts count_ngrams(std::span<const token_id> ids, std::size_t order) {
    ngram_counts counts;
    for (std::size_t i = 0; i + order <= ids.size(); ++i) {
        const auto part = ids.subspan(i, order);
        ++counts[{part.begin(), part.end()}];
    }
    return counts;
}

}  // namespace detail

/// Returns ROUGE-L (Lin, 2004) as the F-measure with beta = 1: with s the length of the longest common subsequence, the
/// harmonic mean of s / |produced| and s / |reference|. 1 for two empty sequences, 0 if only one is empty.
[[nodiscard]] inline double rouge_l(std::span<const token_id> produced, std::span<const token_id> reference) {
    if (produced.empty() && reference.empty()) return 1.0;
    const std::size_t common = detail::common_subsequence(produced, reference);
    return 2.0 * static_cast<double>(common) / static_cast<double>(produced.size() + reference.size());
}

/// Returns BLEU of one sentence (Papineni et al., 2002), up to n-grams of max_order, with one added to the counts of
/// the orders above 1 (Lin and Och, 2004), so that short completions are not all 0. Orders longer than either side are
/// omitted.
[[nodiscard]] inline double bleu(std::span<const token_id> produced, std::span<const token_id> reference,
                                 std::size_t max_order = 4) {
    if (produced.empty() || reference.empty()) return produced.empty() && reference.empty() ? 1.0 : 0.0;
    const std::size_t orders = std::min({max_order, produced.size(), reference.size()});
    double log_sum = 0.0;
    for (std::size_t order = 1; order <= orders; ++order) {
        const detail::ngram_counts wanted = detail::count_ngrams(reference, order);
        std::size_t hits = 0;
        for (const auto& [ngram, count] : detail::count_ngrams(produced, order)) {
            const auto found = wanted.find(ngram);
            if (found != wanted.end()) hits += std::min(count, found->second);
        }
        const double added = order > 1 ? 1.0 : 0.0;
        const double precision =
            (static_cast<double>(hits) + added) / (static_cast<double>(produced.size() - order + 1) + added);
        if (precision == 0.0) return 0.0;
        log_sum += std::log(precision);
    }
    const double length = static_cast<double>(reference.size()) / static_cast<double>(produced.size());
    return std::exp(log_sum / static_cast<double>(orders) + std::min(0.0, 1.0 - length));
}

/// Returns 1 - Levenshtein distance / length of the longer, over bytes. 1 for two empty texts.
[[nodiscard]] inline double edit_similarity(std::string_view a, std::string_view b) {
    if (a.empty() && b.empty()) return 1.0;
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t above = row[j + 1];
            row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0u : 1u)});
            diagonal = above;
        }
    }
    return 1.0 - static_cast<double>(row.back()) / static_cast<double>(std::max(a.size(), b.size()));
}

/// Binary confusion counts.
struct confusion_counts {
    std::size_t true_positives = 0;
    std::size_t false_positives = 0;
    std::size_t false_negatives = 0;

    void add(bool predicted, bool actual) noexcept {
        if (predicted) {
            ++(actual ? true_positives : false_positives);
        } else if (actual) {
            ++false_negatives;
        }
    }
    confusion_counts& operator+=(const confusion_counts& more) noexcept {
        true_positives += more.true_positives;
        false_positives += more.false_positives;
        false_negatives += more.false_negatives;
        return *this;
    }
    void archive(auto& a) { a(true_positives, false_positives, false_negatives); }

    /// Returns the share of predicted positives that are correct; 0 without any.
    [[nodiscard]] double precision() const noexcept { return share(true_positives, false_positives); }
    /// Returns the share of actual positives that were predicted; 0 without any.
    [[nodiscard]] double recall() const noexcept { return share(true_positives, false_negatives); }
    /// Returns the harmonic mean of precision and recall.
    [[nodiscard]] double f1() const noexcept { return share(2 * true_positives, false_positives + false_negatives); }

private:
    [[nodiscard]] static double share(std::size_t part, std::size_t rest) noexcept {
        return part == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(part + rest);
    }
};

/// Returns the median; the mean of the middle two for an even count; 0 of none.
[[nodiscard]] inline double median(std::vector<double> values) {
    if (values.empty()) return 0.0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2.0;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
