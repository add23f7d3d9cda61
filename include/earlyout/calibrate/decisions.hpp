// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_DECISIONS_HPP
#define EARLYOUT_CALIBRATE_DECISIONS_HPP

#include <earlyout/calibrate/metrics.hpp>
#include <earlyout/core/error.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Accuracy of one decision of a gate (exit, or stop) at each of several thresholds, token by token on true text: every
/// token at every exit is one case.
struct decision_sweep {
    std::string gate;
    std::string decision;
    std::vector<float> thresholds;
    std::vector<confusion_counts> counts;  ///< one for each threshold

    decision_sweep() = default;
    decision_sweep(std::string of, std::string what, std::vector<float> at)
        : gate(std::move(of)), decision(std::move(what)), thresholds(std::move(at)), counts(thresholds.size()) {}

    /// Adds the cases of another part of the texts.
    /// @throws error (mismatch) for another gate, decision or thresholds
    decision_sweep& operator+=(const decision_sweep& more) {
        if (gate != more.gate || decision != more.decision || thresholds != more.thresholds) {
            fail(errc::mismatch, "merge: expected decisions of ", gate, ", ", decision, ", found ", more.gate, ", ",
                 more.decision);
        }
        for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += more.counts[i];
        return *this;
    }
    void archive(auto& a) { a(gate, decision, thresholds, counts); }

    /// @param predicted predicted(threshold): whether the gate takes the decision at that threshold
    /// @param actual whether the decision would be correct
    template <class Predicted>
    void add(Predicted predicted, bool actual) {
        for (std::size_t i = 0; i < thresholds.size(); ++i) counts[i].add(predicted(thresholds[i]), actual);
    }
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
