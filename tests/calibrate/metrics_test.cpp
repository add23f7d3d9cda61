// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/metrics.hpp>

#include <random>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace calibrate = earlyout::calibrate;
using token_ids = std::vector<earlyout::token_id>;
using Catch::Matchers::WithinAbs;

TEST_CASE("ROUGE-L is the F-measure of the longest common subsequence", "[calibrate][metrics]") {
    CHECK_THAT(calibrate::rouge_l(token_ids{1, 2, 3, 4}, token_ids{1, 3, 4, 9}), WithinAbs(0.75, 1e-12));
    CHECK_THAT(calibrate::rouge_l(token_ids{1, 2}, token_ids{1, 9, 2, 9, 9, 9}),
               WithinAbs(2 * 1.0 * (2.0 / 6) / (1.0 + 2.0 / 6), 1e-12));
    CHECK(calibrate::rouge_l(token_ids{1, 2}, token_ids{2, 1}) == 0.5);
    CHECK(calibrate::rouge_l(token_ids{5}, token_ids{5}) == 1.0);
    CHECK(calibrate::rouge_l(token_ids{}, token_ids{5}) == 0.0);
    CHECK(calibrate::rouge_l(token_ids{}, token_ids{}) == 1.0);
}

TEST_CASE("the longest common subsequence agrees with trying all of them", "[calibrate][metrics]") {
    std::mt19937 engine(3);
    for (int trial = 0; trial < 200; ++trial) {
        token_ids a(engine() % 9), b(engine() % 9);
        for (token_ids* x : {&a, &b}) {
            for (auto& id : *x) id = static_cast<earlyout::token_id>(engine() % 4);
        }
        std::size_t most = 0;
        for (unsigned chosen = 0; chosen < 1u << a.size(); ++chosen) {
            std::size_t at = 0, length = 0;
            bool fits = true;
            for (std::size_t i = 0; i < a.size() && fits; ++i) {
                if ((chosen >> i & 1u) == 0) continue;
                while (at < b.size() && b[at] != a[i]) ++at;
                fits = at++ < b.size();
                ++length;
            }
            if (fits) most = std::max(most, length);
        }
        CHECK(calibrate::detail::common_subsequence(a, b) == most);
    }
}

TEST_CASE("BLEU of a sentence", "[calibrate][metrics]") {
    CHECK_THAT(calibrate::bleu(token_ids{1, 2, 3, 4, 5}, token_ids{1, 2, 3, 4, 5}), WithinAbs(1.0, 1e-12));
    CHECK(calibrate::bleu(token_ids{7, 8}, token_ids{1, 2}) == 0.0);
    CHECK(calibrate::bleu(token_ids{}, token_ids{1}) == 0.0);
    CHECK(calibrate::bleu(token_ids{}, token_ids{}) == 1.0);
    // Unigrams 2 of 4 (the second 1 has no partner), bigrams (1 + 1) of (3 + 1), trigrams (0 + 1) of (2 + 1),
    // 4-grams (0 + 1) of (1 + 1).
    CHECK_THAT(calibrate::bleu(token_ids{1, 2, 1, 9}, token_ids{1, 2, 3, 4}),
               WithinAbs(std::pow(0.5 * 0.5 * (1.0 / 3) * 0.5, 0.25), 1e-12));
    // Half as long as the reference: exp(1 - 2).
    CHECK_THAT(calibrate::bleu(token_ids{1, 2}, token_ids{1, 2, 3, 4}), WithinAbs(std::exp(-1.0), 1e-12));
}

TEST_CASE("edit similarity counts insertions, deletions and replacements", "[calibrate][metrics]") {
    CHECK_THAT(calibrate::edit_similarity("kitten", "sitting"), WithinAbs(1.0 - 3.0 / 7.0, 1e-12));
    CHECK(calibrate::edit_similarity("", "") == 1.0);
    CHECK(calibrate::edit_similarity("abc", "") == 0.0);
    CHECK(calibrate::edit_similarity("same", "same") == 1.0);
    CHECK(calibrate::edit_similarity("flaw", "lawn") == 0.5);
}

TEST_CASE("precision, recall and F1", "[calibrate][metrics]") {
    calibrate::confusion_counts counts;
    CHECK(counts.precision() == 0.0);
    for (int i = 0; i < 3; ++i) counts.add(true, true);
    counts.add(true, false);
    for (int i = 0; i < 3; ++i) counts.add(false, true);
    for (int i = 0; i < 9; ++i) counts.add(false, false);
    CHECK(counts.precision() == 0.75);
    CHECK(counts.recall() == 0.5);
    CHECK_THAT(counts.f1(), WithinAbs(0.6, 1e-12));
}

TEST_CASE("the median of an even number is the mean of the middle two", "[calibrate][metrics]") {
    CHECK(calibrate::median({}) == 0.0);
    CHECK(calibrate::median({4.0}) == 4.0);
    CHECK(calibrate::median({9.0, 1.0, 5.0}) == 5.0);
    CHECK(calibrate::median({8.0, 1.0, 2.0, 4.0}) == 3.0);
}
