// SPDX-License-Identifier: MIT
#include <earlyout/nn/rotary_scaling.hpp>

#include <earlyout/nn/rotary.hpp>

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("YaRN keeps fast planes, slows slow ones and blends between by their index", "[nn][rotary]") {
    constexpr std::size_t dim = 64;
    constexpr double base = 10000.0;
    eo::yarn_scaling yarn{.factor = 4.0, .original_context = 2048.0};
    const std::vector<double> plain = eo::rotary_frequencies(dim, base);
    std::vector<double> scaled = plain;
    yarn(scaled, dim, base);
    double before = 2.0;
    std::size_t blended = 0;
    for (std::size_t i = 0; i < dim / 2; ++i) {
        const double ratio = scaled[i] / plain[i], turns = 2048.0 * plain[i] / (2.0 * std::numbers::pi);
        INFO("plane " << i << " turns " << turns);
        CHECK(ratio <= before);
        if (turns > 32.0 * 1.4) CHECK(ratio == 1.0);
        if (turns < 1.0 / 1.4) CHECK(std::abs(ratio - 0.25) < 1e-12);
        blended += ratio < 1.0 && ratio > 0.2500001 ? 1 : 0;
        before = ratio;
    }
    CHECK(blended > 8);
    CHECK(std::abs(yarn.magnitude() - (0.1 * std::log(4.0) + 1.0)) < 1e-15);
    CHECK(yarn.magnitude(0.5) < yarn.magnitude());
    yarn.factor = 0.5;
    CHECK(yarn.magnitude() == 1.0);
}

TEST_CASE("without a range to blend YaRN is a step", "[nn][rotary]") {
    const eo::yarn_scaling yarn{
        .factor = 2.0, .original_context = 100.0, .beta_fast = 4.0, .beta_slow = 4.0, .truncate = false};
    const std::vector<double> plain = eo::rotary_frequencies(32, 1000.0);
    std::vector<double> scaled = plain;
    yarn(scaled, 32, 1000.0);
    for (std::size_t i = 0; i < scaled.size(); ++i) {
        const double turns = 100.0 * plain[i] / (2.0 * std::numbers::pi);
        CHECK(scaled[i] == (turns > 4.0 ? plain[i] : plain[i] / 2.0));
    }
}

TEST_CASE("LongRoPE's factor grows with the ratio of contexts", "[nn][rotary]") {
    CHECK(eo::longrope_magnitude(1.0, 4096.0) == 1.0);
    CHECK(eo::longrope_magnitude(0.5, 4096.0) == 1.0);
    CHECK(std::abs(eo::longrope_magnitude(32.0, 4096.0) - 1.190238) < 1e-6);  // Phi-3's, with a context of 131072
}
