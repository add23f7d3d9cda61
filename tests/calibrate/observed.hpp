// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_CALIBRATE_OBSERVED_HPP
#define EARLYOUT_TESTS_CALIBRATE_OBSERVED_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/collect.hpp>
#include <earlyout/core/executor.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "generate/fixtures.hpp"

namespace support {

/// Outputs of the exits of small_network() after layers 1, 2 and 4, and of full depth, for random tokens.
inline eo::calibrate::calibration_set observe(std::uint32_t seed, std::size_t tokens, std::size_t keep_every = 1) {
    eo::inline_executor on;
    eo::calibrate::collector collector(small_network(), {1, 2, 4}, 32, on);
    std::mt19937 engine(seed);
    const std::vector<eo::calibrate::corpus_text> texts{{"random", seed, random_prompt(engine, tokens)}};
    eo::calibrate::calibration_set kept(keep_every);
    (void)collector.run(texts, [&](const eo::calibrate::window_observation& w) { kept.add(w); });
    return kept;
}

}  // namespace support

#endif
