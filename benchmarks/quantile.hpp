// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_BENCHMARKS_QUANTILE_HPP
#define EARLYOUT_BENCHMARKS_QUANTILE_HPP

#include <algorithm>
#include <cstddef>
#include <vector>

/// Returns the value below which a share q of the values is, to the nearest of them: 0.5 for the median.
template <class T>
T quantile(std::vector<T> values, double q) {
    std::ranges::sort(values);
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

#endif
