// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_CLUSTER_BOOTSTRAP_HPP
#define EARLYOUT_CALIBRATE_CLUSTER_BOOTSTRAP_HPP

#include <earlyout/core/error.hpp>

#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Where a quantity lies, at some level of confidence; nothing is known by default.
struct interval {
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();

    [[nodiscard]] bool contains(double value) const noexcept { return low <= value && value <= high; }
    [[nodiscard]] bool is_known() const noexcept { return std::isfinite(low) && std::isfinite(high); }
    friend bool operator==(const interval&, const interval&) = default;
    void archive(auto& a) { a(low, high); }
};

struct bootstrap_options {
    double level = 0.95;  ///< probability with which the interval contains the quantity
    std::size_t draws = 1000;
    std::uint64_t seed = 1;
};

/// Indices of samples, those of one text together: samples of one text are alike, so texts are drawn, not samples.
using sample_clusters = std::vector<std::vector<std::size_t>>;

/// Groups samples by the texts they come from.
/// @param samples each with a `name`
template <class Samples>
[[nodiscard]] sample_clusters clusters_of(const Samples& samples) {
    sample_clusters made;
    std::unordered_map<std::string, std::size_t> known;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const auto [found, is_new] = known.try_emplace(samples[i].name, made.size());
        if (is_new) made.emplace_back();
        made[found->second].push_back(i);
    }
    return made;
}

namespace detail {

/// Returns the share of draws to cut off at each end. That of the level is too much with few clusters, whose draws vary
/// less than new texts would by sqrt((n - 1) / n), and whose spread is uncertain itself: the expanded percentile
/// interval of Hesterberg, "What Teachers Should Know about the Bootstrap", 2015, section 3.3.
[[nodiscard]] inline double bootstrap_tail(double level, std::size_t clusters) {
    const auto n = static_cast<double>(clusters);
    const boost::math::students_t student(n - 1.0);
    const double quantile = boost::math::quantile(boost::math::complement(student, (1.0 - level) / 2.0));
    return boost::math::cdf(boost::math::complement(boost::math::normal(), quantile * std::sqrt(n / (n - 1.0))));
}

/// Returns a quantile of sorted values, interpolated.
[[nodiscard]] inline double sorted_quantile(std::span<const double> values, double share) noexcept {
    const double at = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(at);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

}  // namespace detail

/// Returns an interval for a statistic of samples, from draws of as many clusters, with replacement.
/// @param statistic the value for a list of samples, in which one may occur several times; not finite: none for these
/// @return nothing known with fewer than two clusters, or where half of the draws have no value
/// @throws error (invalid_argument)
template <class Statistic>
[[nodiscard]] interval cluster_bootstrap(const sample_clusters& clusters, Statistic statistic,
                                         const bootstrap_options& options = {}) {
    if (!(options.level > 0.0 && options.level < 1.0)) {
        fail(errc::invalid_argument, "bootstrap: expected a level between 0 and 1, found ", options.level);
    }
    if (clusters.size() < 2) return {};
    std::mt19937_64 engine(options.seed);
    std::vector<std::size_t> drawn;
    std::vector<double> values;
    values.reserve(options.draws);
    for (std::size_t draw = 0; draw < options.draws; ++draw) {
        drawn.clear();
        for (std::size_t i = 0; i < clusters.size(); ++i) {
            const auto& one = clusters[engine() % clusters.size()];
            drawn.insert(drawn.end(), one.begin(), one.end());
        }
        const double value = statistic(std::span<const std::size_t>(drawn));
        if (std::isfinite(value)) values.push_back(value);
    }
    if (values.empty() || 2 * values.size() < options.draws) return {};
    std::ranges::sort(values);
    const double tail = detail::bootstrap_tail(options.level, clusters.size());
    return {detail::sorted_quantile(values, tail), detail::sorted_quantile(values, 1.0 - tail)};
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
