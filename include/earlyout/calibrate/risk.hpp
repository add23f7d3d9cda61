// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_RISK_HPP
#define EARLYOUT_CALIBRATE_RISK_HPP

#include <earlyout/core/error.hpp>

#include <boost/math/distributions/binomial.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Losses of one configuration, one number in [0, 1] for each sample; all configurations use the same samples.
using sample_losses = std::vector<double>;

namespace detail {

inline void check_level(const char* name, double level) {
    if (!(level > 0.0 && level < 1.0)) {
        fail(errc::invalid_argument, "risk: expected ", name, " between 0 and 1, found ", level);
    }
}

inline void check_losses(std::span<const sample_losses> configurations) {
    for (const sample_losses& losses : configurations) {
        if (losses.empty() || losses.size() != configurations.front().size()) {
            fail(errc::invalid_argument, "risk: expected the losses of ", configurations.front().size(),
                 " samples, at least one, for every configuration, found ", losses.size());
        }
        for (const double loss : losses) {
            if (!(loss >= 0.0 && loss <= 1.0)) {
                fail(errc::wrong_value, "risk: expected losses from 0 to 1, found ", loss);
            }
        }
    }
}

[[nodiscard]] inline double mean(const sample_losses& losses) {
    double sum = 0.0;
    for (const double loss : losses) sum += loss;
    return sum / static_cast<double>(losses.size());
}

/// Returns P[Binomial(n, p) <= k].
[[nodiscard]] inline double binomial_cdf(double k, std::size_t n, double p) {
    if (k >= static_cast<double>(n)) return 1.0;
    return boost::math::cdf(boost::math::binomial_distribution<double>(static_cast<double>(n), p), k);
}

/// Returns the KL divergence in nats between Bernoulli distributions of means a and b, 0 < b < 1.
[[nodiscard]] inline double coin_divergence(double a, double b) {
    const double yes = a == 0.0 ? 0.0 : a * std::log(a / b);
    const double no = a == 1.0 ? 0.0 : (1.0 - a) * std::log((1.0 - a) / (1.0 - b));
    return yes + no;
}

}  // namespace detail

/// Returns the p-value of "the risk exceeds eps" when `count` of n 0/1 losses are 1: P[Binomial(n, eps) <= count].
[[nodiscard]] inline double binomial_p_value(std::size_t count, std::size_t n, double eps) {
    return detail::binomial_cdf(static_cast<double>(count), n, eps);
}

/// Returns the p-value of "the risk exceeds eps" for losses in [0, 1] of mean r over n samples (Hoeffding-Bentkus;
/// Bates et al., 2021): min(exp(-n KL(min(r, eps) || eps)), e P[Binomial(n, eps) <= ceil(n r)]), at most 1.
[[nodiscard]] inline double hoeffding_bentkus_p_value(double r, std::size_t n, double eps) {
    const auto samples = static_cast<double>(n);
    const double hoeffding = std::exp(-samples * detail::coin_divergence(std::min(r, eps), eps));
    // n r is an integer if all losses are 0 or 1: rounding must not increase it by one.
    const double bentkus = std::exp(1.0) * detail::binomial_cdf(std::ceil(samples * r - 1e-9), n, eps);
    return std::min({1.0, hoeffding, bentkus});
}

/// Result of a test over the configurations, from the most conservative to the boldest.
struct risk_result {
    struct configuration {
        double risk = 0.0;  ///< mean loss
        double p_value = 1.0;
    };
    std::vector<configuration> configurations;  ///< as far as they were tested
    std::optional<std::size_t> chosen;          ///< the boldest that is allowed; none: stay at full depth
    bool exact = false;                         ///< all losses were 0 or 1, and the binomial test was used
};

/// Applies Learn-then-Test with fixed-sequence testing (Angelopoulos et al., 2021; used for early exits by CALM): steps
/// from the most conservative configuration on while "risk > eps" is rejected at level delta. With probability 1 -
/// delta over the samples the risk of the chosen one is at most eps, whatever the data's distribution, provided that
/// the configurations and their order were fixed before these samples were used.
/// @param configurations losses of each, from the most conservative to the boldest
/// @throws error (invalid_argument, wrong_value)
[[nodiscard]] inline risk_result learn_then_test(std::span<const sample_losses> configurations, double eps,
                                                 double delta) try {
    detail::check_level("eps", eps);
    detail::check_level("delta", delta);
    detail::check_losses(configurations);
    risk_result result;
    result.exact = std::ranges::all_of(configurations, [](const sample_losses& losses) {
        return std::ranges::all_of(losses, [](double loss) { return loss == 0.0 || loss == 1.0; });
    });
    for (std::size_t c = 0; c < configurations.size(); ++c) {
        const std::size_t n = configurations[c].size();
        const double risk = detail::mean(configurations[c]);
        const double p =
            result.exact
                ? binomial_p_value(static_cast<std::size_t>(std::llround(risk * static_cast<double>(n))), n, eps)
                : hoeffding_bentkus_p_value(risk, n, eps);
        result.configurations.push_back({risk, p});
        if (p > delta) break;
        result.chosen = c;
    }
    return result;
} catch (...) {
    earlyout::detail::rethrow_as_error("risk");
}

/// Applies conformal risk control (Angelopoulos et al., 2022): chooses the boldest configuration whose expected risk is
/// at most eps, over samples and a new one together, without a level. It needs losses that do not decrease with
/// boldness, so each sample's running maximum is used: mean <= (n + 1) / n eps - bound / n.
/// @param bound upper bound of a loss
/// @throws error (invalid_argument, wrong_value)
[[nodiscard]] inline risk_result control_expected_risk(std::span<const sample_losses> configurations, double eps,
                                                       double bound = 1.0) try {
    detail::check_level("eps", eps);
    detail::check_losses(configurations);
    risk_result result;
    sample_losses most(configurations.empty() ? 0 : configurations.front().size(), 0.0);
    const auto n = static_cast<double>(most.size());
    for (std::size_t c = 0; c < configurations.size(); ++c) {
        for (std::size_t i = 0; i < most.size(); ++i) most[i] = std::max(most[i], configurations[c][i]);
        const double risk = detail::mean(most);
        result.configurations.push_back({risk, 1.0});
        if (risk > (n + 1.0) / n * eps - bound / n) break;
        result.chosen = c;
    }
    return result;
} catch (...) {
    earlyout::detail::rethrow_as_error("risk");
}

/// Returns the samples that control_expected_risk needs to accept anything, if all losses are 0: bound / eps - 1,
/// rounded up.
[[nodiscard]] inline std::size_t samples_for_expectation(double eps, double bound = 1.0) {
    detail::check_level("eps", eps);
    return static_cast<std::size_t>(std::max(1.0, std::ceil(bound / eps - 1.0 - 1e-9)));
}

/// Estimates the samples needed for a mean loss of `risk` to pass learn_then_test's bound for losses in [0, 1]; 0 if a
/// million are not enough.
[[nodiscard]] inline std::size_t samples_needed(double eps, double delta, double risk = 0.0) {
    detail::check_level("eps", eps);
    detail::check_level("delta", delta);
    constexpr std::size_t most = 1'000'000;
    if (!(risk >= 0.0 && risk < eps)) return 0;
    std::size_t n = 1;
    while (n <= most && hoeffding_bentkus_p_value(risk, n, eps) > delta) n += 1 + n / 1000;
    return n > most ? 0 : n;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
