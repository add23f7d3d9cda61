// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_SKILL_HPP
#define EARLYOUT_CALIBRATE_SKILL_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/exit_accuracy.hpp>
#include <earlyout/core/token.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iomanip>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Counts tokens, to find how often the most frequent one alone would be right.
class token_counter {
public:
    void add(token_id id) {
        ++all_;
        most_ = std::max(most_, ++counts_[id]);
    }
    [[nodiscard]] double most_frequent_share() const noexcept {
        return all_ == 0 ? 0.0 : static_cast<double>(most_) / static_cast<double>(all_);
    }

private:
    std::unordered_map<token_id, std::size_t> counts_;
    std::size_t most_ = 0;
    std::size_t all_ = 0;
};

namespace detail {

/// Returns true if a share of n is above that which chance gives, by two standard deviations.
[[nodiscard]] inline bool is_above_chance(double share, double chance, std::size_t n) noexcept {
    return n != 0 && share > chance + 2.0 * std::sqrt(chance * (1.0 - chance) / static_cast<double>(n));
}
[[nodiscard]] inline std::string as_percent(double share) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << 100.0 * share << " %";
    return std::move(text).str();
}

}  // namespace detail

/// Returns a sentence if full depth predicts the texts' next tokens no better than always the most frequent one: such a
/// model's speed and loss mean nothing.
/// @param seen the exits' accuracy on these texts
[[nodiscard]] inline std::optional<std::string> lack_of_skill(const exit_accuracy& seen,
                                                              const std::vector<corpus_text>& texts) {
    token_counter next;
    for (const corpus_text& text : texts) {
        for (std::size_t i = 1; i < text.ids.size(); ++i) next.add(text.ids[i]);
    }
    const double right = seen.right.empty() ? 0.0 : seen.share(seen.right.back());
    const double chance = next.most_frequent_share();
    if (detail::is_above_chance(right, chance, seen.tokens)) return std::nullopt;
    return "the model predicts " + detail::as_percent(right) +
           " of the next tokens of these texts, and always the most "
           "frequent one " +
           detail::as_percent(chance) + ": expected a model that was trained on such text";
}

/// Returns a sentence if no exit agrees with full depth more often than always predicting full depth's most frequent
/// token would.
[[nodiscard]] inline std::optional<std::string> lack_of_exits(const exit_accuracy& seen, const calibration_set& kept) {
    if (kept.exit_count() == 0) return std::nullopt;
    token_counter predicted;
    for (std::size_t i = 0; i < kept.size(); ++i) predicted.add(kept.argmax(kept.exit_count() - 1, i));
    const double chance = predicted.most_frequent_share();
    double best = 0.0;
    for (std::size_t e = 0; e + 1 < seen.layers.size(); ++e) {
        best = std::max(best, seen.share(seen.agrees[e]));
        if (detail::is_above_chance(seen.share(seen.agrees[e]), chance, seen.tokens)) return std::nullopt;
    }
    return "the best exit agrees with full depth on " + detail::as_percent(best) +
           " of the tokens, and always its most "
           "frequent prediction would on " +
           detail::as_percent(chance) +
           ": expected an exit that predicts something; heads fitted to the exits may (adapter, own)";
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
