// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_REFERENCE_HPP
#define EARLYOUT_TESTS_SUPPORT_REFERENCE_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// The parts of a transformer from their definitions, in double precision and without optimisation.
namespace support::reference {

using vector = std::vector<double>;

/// Computes W x + b with W: [out, in] row-major; b: [out] or empty.
template <class X>
vector linear(std::span<const float> weight, std::span<const float> bias, const X& x, std::size_t out) {
    const std::size_t in = std::size(x);
    vector y(out);
    for (std::size_t r = 0; r < out; ++r) {
        for (std::size_t k = 0; k < in; ++k) y[r] += double{weight[r * in + k]} * double{x[k]};
        if (!bias.empty()) y[r] += double{bias[r]};
    }
    return y;
}

template <class X>
vector layer_norm(const X& x, std::span<const float> weight, std::span<const float> bias, double epsilon) {
    const auto n = static_cast<double>(std::size(x));
    double mean = 0.0;
    for (const double value : x) mean += value / n;
    double variance = 0.0;
    for (const double value : x) variance += (value - mean) * (value - mean) / n;
    vector y;
    for (std::size_t i = 0; i < std::size(x); ++i) {
        y.push_back((double{x[i]} - mean) / std::sqrt(variance + epsilon) * double{weight[i]} + double{bias[i]});
    }
    return y;
}

inline vector softmax(vector x) {
    const double most = *std::max_element(x.begin(), x.end());
    double sum = 0.0;
    for (double& value : x) sum += value = std::exp(value - most);
    for (double& value : x) value /= sum;
    return x;
}

/// One head: query [d], keys and values [entries][d].
inline vector attend(const vector& query, const std::vector<vector>& keys, const std::vector<vector>& values,
                     double scale) {
    vector scores;
    for (const vector& key : keys) {
        double dot = 0.0;
        for (std::size_t k = 0; k < query.size(); ++k) dot += query[k] * key[k];
        scores.push_back(dot * scale);
    }
    const vector p = softmax(scores);
    vector out(query.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        for (std::size_t k = 0; k < out.size(); ++k) out[k] += p[i] * values[i][k];
    }
    return out;
}

inline double gelu_tanh(double x) {
    return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}
inline double gelu_erf(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
inline double relu(double x) { return x > 0.0 ? x : 0.0; }
inline double silu(double x) { return x / (1.0 + std::exp(-x)); }

/// Returns the largest |found - expected|; infinity when the sizes differ or a value is NaN.
template <class Found>
double distance(const Found& found, const vector& expected) {
    if (std::size(found) != expected.size()) return INFINITY;
    double largest = 0.0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const double difference = std::abs(double{found[i]} - expected[i]);
        if (!(difference <= largest)) largest = std::isnan(difference) ? INFINITY : difference;
    }
    return largest;
}

}  // namespace support::reference

#endif
