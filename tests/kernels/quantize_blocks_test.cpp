// SPDX-License-Identifier: MIT
#include <earlyout/kernels/quantize_blocks.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/random_blocks.hpp"

namespace eo = earlyout;

namespace {

template <class Format>
std::vector<float> rounded(const std::vector<float>& weights) {
    std::vector<std::byte> block(eo::block_bytes(Format::stored));
    std::vector<float> back(weights.size());
    eo::kernels::quantize_block(Format{}, weights.data(), block.data());
    eo::detail::decode<Format>(block.data(), back.data());
    return back;
}

/// Error of a format on random weights, relative to the weights.
template <class Format>
double error_of_format() {
    support::random_source random(3);
    double wrong = 0, all = 0;
    for (int round = 0; round < 200; ++round) {
        const std::vector<float> weights = random.floats(Format::layout.values, 0.05f), back = rounded<Format>(weights);
        for (std::size_t i = 0; i < weights.size(); ++i) {
            wrong += (back[i] - weights[i]) * (back[i] - weights[i]);
            all += weights[i] * weights[i];
        }
    }
    return std::sqrt(wrong / all);
}

}  // namespace

TEST_CASE("the error of rounding weights matches the bits", "[kernels][quantize]") {
    CHECK(error_of_format<eo::int8>() < 0.005);
    CHECK(error_of_format<eo::q6_k>() < 0.0175);
    CHECK(error_of_format<eo::q5_k>() < 0.037);
    CHECK(error_of_format<eo::q5_1>() < 0.035);
    CHECK(error_of_format<eo::q5_0>() < 0.041);
    CHECK(error_of_format<eo::q4_1>() < 0.074);
    CHECK(error_of_format<eo::q4_k>() < 0.075);
    CHECK(error_of_format<eo::int4>() < 0.09);
    CHECK(error_of_format<eo::iq4_nl>() < 0.078);
    CHECK(error_of_format<eo::iq4_xs>() < 0.078);
    CHECK(error_of_format<eo::mxfp4>() < 0.125);
    CHECK(error_of_format<eo::q3_k>() < 0.15);
    CHECK(error_of_format<eo::q2_k>() < 0.29);
}

TEMPLATE_LIST_TEST_CASE("zeros, subnormals and huge weights stay finite", "[kernels][quantize]",
                        support::group_formats) {
    for (const float value : {0.0f, 1e-45f, 1e-38f, 1e-7f, 1e6f, 1e30f, std::numeric_limits<float>::max()}) {
        std::vector<float> weights(TestType::layout.values);
        for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = i % 3 == 0 ? value : -value;
        const std::vector<float> back = rounded<TestType>(weights);
        CAPTURE(value);
        for (std::size_t i = 0; i < weights.size(); ++i) {
            REQUIRE(std::isfinite(back[i]));
            REQUIRE(std::abs(back[i]) <= 1.7f * value);
        }
    }
}

TEMPLATE_LIST_TEST_CASE("weights that a block holds survive being rounded again", "[kernels][quantize]",
                        support::group_formats) {
    support::random_source random(6);
    const std::vector<float> once = rounded<TestType>(random.floats(TestType::layout.values, 0.1f));
    const std::vector<float> twice = rounded<TestType>(once);
    float most = 0.0f;
    for (const float weight : once) most = std::max(most, std::abs(weight));
    for (std::size_t i = 0; i < once.size(); ++i) REQUIRE(std::abs(once[i] - twice[i]) <= 0.35f * most);
}
