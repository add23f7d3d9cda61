// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/adam.hpp>

#include <array>
#include <cmath>

#include "support/catch.hpp"

namespace calibrate = earlyout::calibrate;
using Catch::Matchers::WithinAbs;

TEST_CASE("steps follow the formula, decay and parts included", "[calibrate][adam]") {
    const calibrate::adam_options options{.learning_rate = 0.1f, .weight_decay = 0.5f};
    calibrate::adam optimiser(2, options);
    std::array<float, 2> w{1.0f, -2.0f};
    std::array<double, 2> expected{1.0, -2.0};
    std::array<double, 2> m{}, v{};
    for (int t = 1; t <= 5; ++t) {
        const std::array<float, 2> slopes{w[0] * 3.0f, 0.01f * static_cast<float>(t)};
        const float rate = 1.0f / static_cast<float>(t);
        optimiser.start_step(rate);
        optimiser.update(1, std::span(w).subspan(1), std::span(slopes).subspan(1));
        optimiser.update(0, std::span(w).first(1), std::span(slopes).first(1));
        for (std::size_t i = 0; i < 2; ++i) {
            const double g = static_cast<double>(slopes[i]);
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            const double step = m[i] / (1 - std::pow(0.9, t)) / (std::sqrt(v[i] / (1 - std::pow(0.999, t))) + 1e-8);
            expected[i] -= 0.1 * static_cast<double>(rate) * (step + 0.5 * expected[i]);
            CHECK_THAT(w[i], WithinAbs(expected[i], 1e-4));
        }
    }
}

TEST_CASE("the minimum of a badly scaled quadratic is found", "[calibrate][adam]") {
    calibrate::adam optimiser(2, {.learning_rate = 0.05f});
    std::array<float, 2> w{0.0f, 0.0f};
    for (int t = 0; t < 600; ++t) {
        const std::array<float, 2> slopes{1000.0f * (w[0] - 1.0f), 0.01f * (w[1] + 2.0f)};
        optimiser.start_step(1.0f - static_cast<float>(t) / 600.0f);
        optimiser.update(0, w, slopes);
    }
    CHECK_THAT(w[0], WithinAbs(1.0, 0.01));
    CHECK_THAT(w[1], WithinAbs(-2.0, 0.01));
}
