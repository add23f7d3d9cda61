// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_GOLDEN_PASS_HPP
#define EARLYOUT_TESTS_SUPPORT_GOLDEN_PASS_HPP

#include <earlyout/core/executor.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "support/errors.hpp"
#include "support/forward_pass.hpp"
#include "support/golden.hpp"

namespace support {

/// Max deviation from the reference.
inline constexpr float tolerance = 1e-4f;

/// Returns the error thrown when a network is read from this checkpoint.
template <class Network>
caught read_error(const earlyout::checkpoint& from) {
    return error_of([&] { (void)Network::from_checkpoint(from); });
}

inline float largest_difference(std::span<const float> a, std::span<const float> b) {
    if (a.size() != b.size()) return std::numeric_limits<float>::infinity();
    float largest = 0.0f;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const float difference = std::abs(a[i] - b[i]);
        if (!(difference <= largest)) largest = difference;  // NaN stays
    }
    return largest;
}

/// Runs the sequence through the network in pieces of the given sizes, the last one repeated, and returns the max
/// deviation of any hidden state or logit of any layer from the reference.
template <class Network>
float worst(const Network& network, const golden& expected, const std::vector<std::size_t>& pieces, std::size_t block,
            earlyout::executor& on = support::one_thread()) {
    forward_pass pass(network, expected.ids, block, on);
    float largest = 0.0f;
    const auto compare = [&](std::span<const float> found, std::span<const float> wanted) {
        const float difference = largest_difference(found, wanted);
        if (!(difference <= largest)) largest = difference;
    };
    std::size_t piece = 0;
    for (std::size_t begin = 0; begin < expected.ids.size();) {
        const std::size_t end = std::min(begin + pieces[std::min(piece++, pieces.size() - 1)], expected.ids.size());
        for (std::size_t layer = 1; layer <= expected.layers; ++layer) {
            pass.run(layer, layer, begin, end);
            for (std::size_t p = begin; p < end; ++p) {
                compare(pass.hidden(p), expected.hidden(layer, p));
                compare(pass.logits(p), expected.logits(layer, p));
            }
        }
        begin = end;
    }
    return largest;
}

}  // namespace support

#endif
