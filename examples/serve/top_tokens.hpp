// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_TOP_TOKENS_HPP
#define EARLYOUT_EXAMPLES_SERVE_TOP_TOKENS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "engine.hpp"

namespace serve {

/// Remembers the likeliest tokens of each position of a completion, from the logits that its tokens are drawn from.
class top_tokens {
public:
    explicit top_tokens(std::size_t count) : count_(count) {}

    /// Records the logits for the token at a position. A later exit replaces an earlier one.
    void record(std::size_t position, std::span<const float> logits) {
        const std::size_t count = std::min(count_, logits.size());
        if (count == 0) return;
        const float largest = *std::ranges::max_element(logits);
        double sum = 0.0;
        for (const float logit : logits) sum += std::exp(static_cast<double>(logit - largest));
        std::vector<eo::token_id> order(logits.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<eo::token_id>(i);
        const auto logit_of = [&](eo::token_id id) { return logits[static_cast<std::size_t>(id)]; };
        std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(count),
                                  [&](eo::token_id a, eo::token_id b) {
                                      return logit_of(a) != logit_of(b) ? logit_of(a) > logit_of(b) : a < b;
                                  });
        std::vector<candidate> best;
        for (std::size_t i = 0; i < count; ++i) {
            best.push_back({order[i], logit_of(order[i]) - largest - static_cast<float>(std::log(sum))});
        }
        at_[position] = std::move(best);
    }
    /// Returns those at a position and forgets all up to there.
    [[nodiscard]] std::vector<candidate> at(std::size_t position) {
        const auto found = at_.find(position);
        if (found == at_.end()) return {};
        std::vector<candidate> best = std::move(found->second);
        at_.erase(at_.begin(), std::next(found));
        return best;
    }

private:
    std::size_t count_;
    std::map<std::size_t, std::vector<candidate>> at_;
};

}  // namespace serve

#endif
