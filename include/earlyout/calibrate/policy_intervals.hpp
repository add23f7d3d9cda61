// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_POLICY_INTERVALS_HPP
#define EARLYOUT_CALIBRATE_POLICY_INTERVALS_HPP

#include <earlyout/calibrate/cluster_bootstrap.hpp>
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/evaluate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// How uncertain the measures of a policy are, over texts.
struct policy_intervals {
    interval layers_skipped;
    interval decode_speedup;
    interval request_speedup;
    interval rouge_l_loss;
    interval agreement;
    interval stop_precision;

    void archive(auto& a) {
        a(layers_skipped, decode_speedup, request_speedup, rouge_l_loss, agreement, stop_precision);
    }
};

namespace detail {

/// The loss over samples, to which one that was not seen can be added: as bad as the worst one seen, or without any
/// word right if none lost anything. Losses are rare and large, so that a few hundred samples may contain none.
class loss_statistic {
public:
    explicit loss_statistic(const paired_evaluation& of) : early_(of.early.rouge_l_of), full_(of.full.rouge_l_of) {
        double worst = 0.0, sum = 0.0;
        for (std::size_t i = 0; i < full_.size(); ++i) {
            sum += full_[i];
            if (full_[i] > 0.0) worst = std::max(worst, (full_[i] - early_[i]) / full_[i]);
        }
        const double mean = full_.empty() ? 0.0 : sum / static_cast<double>(full_.size());
        early_.push_back(worst > 0.0 ? mean * (1.0 - worst) : 0.0);
        full_.push_back(mean);
    }

    [[nodiscard]] std::size_t unseen() const noexcept { return full_.size() - 1; }
    [[nodiscard]] double operator()(std::span<const std::size_t> samples) const noexcept {
        double early = 0.0, full = 0.0;
        for (const std::size_t i : samples) {
            early += early_[i];
            full += full_[i];
        }
        return full > 0.0 ? (full - early) / full : std::numeric_limits<double>::quiet_NaN();
    }

private:
    std::vector<double> early_, full_;
};

}  // namespace detail

/// Returns intervals over texts for what was measured of these samples, or of the first of them.
[[nodiscard]] inline policy_intervals intervals_of(const paired_evaluation& measured,
                                                   const std::vector<sample>& samples,
                                                   const bootstrap_options& options = {}) {
    using indices = std::span<const std::size_t>;
    const std::size_t done = std::min(samples.size(), measured.early.results.size());  // fewer once cancelled
    const sample_clusters clusters = clusters_of(std::span(samples).first(done));
    const auto over = [&](auto statistic) { return cluster_bootstrap(clusters, statistic, options); };
    policy_intervals made;
    made.layers_skipped = over([&](indices of) { return measured.early.layers_skipped(of); });
    made.decode_speedup = over([&](indices of) { return measured.decode_speedup(of); });
    made.request_speedup = over([&](indices of) { return measured.request_speedup(of); });
    made.agreement = over([&](indices of) { return measured.agreement(of); });
    if (measured.early.stops != 0) {
        made.stop_precision = over([&](indices of) { return measured.stops(samples, of).precision(); });
    }
    const detail::loss_statistic loss(measured);
    made.rouge_l_loss = over(loss);
    sample_clusters with_unseen = clusters;
    with_unseen.push_back({loss.unseen()});
    made.rouge_l_loss.high = std::max(made.rouge_l_loss.high, cluster_bootstrap(with_unseen, loss, options).high);
    return made;
}

/// Returns how many samples of different texts can show a loss of at most this share: if none loses anything, what
/// happens to fewer than 3 in n may still be absent from n of them (the rule of three, at a level of 95 %).
[[nodiscard]] inline std::size_t samples_to_show(double loss) {
    return static_cast<std::size_t>(std::ceil(3.0 / std::max(loss, 1e-6) - 1e-9));
}

/// Returns true if n samples show that a policy loses no more than `loss`.
[[nodiscard]] inline bool shows_loss(const policy_intervals& found, std::size_t n, double loss) {
    return n >= samples_to_show(loss) && found.rouge_l_loss.is_known() && found.rouge_l_loss.high <= loss;
}
/// Returns true if they also show that it is faster than full depth.
[[nodiscard]] inline bool shows_win(const policy_intervals& found, std::size_t n, double loss) {
    return shows_loss(found, n, loss) && found.decode_speedup.low > 1.0;
}

/// Estimates how many samples would show that a policy loses no more than `target`, if it loses what these n did: the
/// upper half of an interval shrinks with the root of their number.
/// @return 0 if it loses more, or no less than a million would do: that nothing at all is lost cannot be shown
[[nodiscard]] inline std::size_t samples_to_support(double loss, const interval& found, double target, std::size_t n) {
    constexpr double most = 1e6;
    if (!(loss < target) || target <= 3.0 / most) return 0;
    const std::size_t least = samples_to_show(target);
    if (!found.is_known()) return least;
    const double ratio = (found.high - loss) / (target - loss);
    const double needed = std::ceil(static_cast<double>(n) * ratio * ratio);
    return needed > most ? 0 : std::max(least, static_cast<std::size_t>(needed));
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
