// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_RANDOM_HPP
#define EARLYOUT_TESTS_SUPPORT_RANDOM_HPP

#include <earlyout/core/token.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace support {

/// Uniform numbers that are the same on every platform.
class random_source {
public:
    explicit random_source(std::uint32_t seed) : engine_(seed) {}

    /// In [low, high).
    float real(float low, float high) { return low + (high - low) * static_cast<float>(engine_() >> 8) * 0x1p-24f; }
    /// In [0, below).
    std::size_t index(std::size_t below) { return static_cast<std::size_t>(engine_()) % below; }

    /// Numbers of mean 0 and the given standard deviation.
    std::vector<float> floats(std::size_t count, float deviation = 1.0f) {
        std::vector<float> values(count);
        for (float& value : values) value = real(-1.7320508f, 1.7320508f) * deviation;
        return values;
    }
    std::vector<earlyout::token_id> tokens(std::size_t count, std::size_t vocab) {
        std::vector<earlyout::token_id> made(count);
        for (auto& id : made) id = static_cast<earlyout::token_id>(index(vocab));
        return made;
    }

private:
    std::mt19937 engine_;
};

}  // namespace support

#endif
