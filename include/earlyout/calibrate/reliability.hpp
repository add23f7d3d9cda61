// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_RELIABILITY_HPP
#define EARLYOUT_CALIBRATE_RELIABILITY_HPP

#include <earlyout/calibrate/fit_linear.hpp>
#include <earlyout/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Maps p to sigmoid(scale * logit(p) + offset): calibrates predicted probabilities without changing their order
/// (Platt, 1999; with offset 0 it is temperature scaling).
struct platt_scaling {
    double scale = 1.0;
    double offset = 0.0;
};

/// Predicted probabilities and observed outcomes.
class reliability {
public:
    struct bin {
        std::size_t count = 0;
        double predicted = 0.0;  ///< mean
        double observed = 0.0;   ///< observed frequency
    };

    /// @throws error (wrong_value) for a probability outside [0, 1]
    void add(double probability, bool happened) {
        if (!(probability >= 0.0 && probability <= 1.0)) {
            fail(errc::wrong_value, "reliability: expected a probability, found ", probability);
        }
        predicted_.push_back(static_cast<float>(probability));
        happened_.push_back(happened ? 1 : 0);
    }

    /// Appends what was observed elsewhere.
    reliability& operator+=(const reliability& more) {
        predicted_.insert(predicted_.end(), more.predicted_.begin(), more.predicted_.end());
        happened_.insert(happened_.end(), more.happened_.begin(), more.happened_.end());
        return *this;
    }
    void archive(auto& a) { a(predicted_, happened_); }

    [[nodiscard]] std::size_t size() const noexcept { return predicted_.size(); }

    /// Returns bins of equal width over [0, 1], including empty ones.
    [[nodiscard]] std::vector<bin> bins(std::size_t count = 10) const {
        std::vector<bin> made(std::max<std::size_t>(1, count));
        for (std::size_t i = 0; i < size(); ++i) {
            const double p = static_cast<double>(predicted_[i]);
            const auto at = static_cast<std::size_t>(p * static_cast<double>(made.size()));
            bin& b = made[std::min(at, made.size() - 1)];
            ++b.count;
            b.predicted += p;
            b.observed += happened_[i];
        }
        for (bin& b : made) {
            if (b.count == 0) continue;
            b.predicted /= static_cast<double>(b.count);
            b.observed /= static_cast<double>(b.count);
        }
        return made;
    }

    /// Returns the expected calibration error: mean |predicted - observed| over the bins, weighted by count (Naeini et
    /// al., AAAI 2015).
    [[nodiscard]] double expected_calibration_error(std::size_t count = 10) const {
        double sum = 0.0;
        for (const bin& b : bins(count)) sum += static_cast<double>(b.count) * std::abs(b.predicted - b.observed);
        return size() == 0 ? 0.0 : sum / static_cast<double>(size());
    }

    /// Returns the Brier score: mean squared difference of prediction and outcome (Brier, 1950).
    [[nodiscard]] double brier_score() const noexcept {
        double sum = 0.0;
        for (std::size_t i = 0; i < size(); ++i) {
            const double miss = static_cast<double>(predicted_[i]) - happened_[i];
            sum += miss * miss;
        }
        return size() == 0 ? 0.0 : sum / static_cast<double>(size());
    }

    /// Returns the scaling of maximum likelihood; the identity if all outcomes are equal.
    [[nodiscard]] platt_scaling fit_platt() const {
        const auto positives = static_cast<std::size_t>(std::ranges::count(happened_, std::uint8_t{1}));
        if (positives == 0 || positives == size()) return {};
        std::vector<float> logits;
        logits.reserve(size());
        for (const float p : predicted_) {
            const double inside = std::clamp(static_cast<double>(p), 1e-6, 1.0 - 1e-6);
            logits.push_back(static_cast<float>(std::log(inside / (1.0 - inside))));
        }
        const labelled_rows part{logits, happened_};
        const fitted_linear fitted = fit_linear({&part, 1}, 1, 2, {.penalty = 1e-6});
        return {static_cast<double>(fitted.weight.front()), static_cast<double>(fitted.bias.front())};
    }

private:
    std::vector<float> predicted_;
    std::vector<std::uint8_t> happened_;
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
