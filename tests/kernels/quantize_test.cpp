// SPDX-License-Identifier: MIT
#include <earlyout/kernels/quantize.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using eo::group_size;
using eo::kernels::coded_group;
using eo::kernels::quantize_group;

namespace {

/// Large weights count more, see the header.
double squared_error(const coded_group& coded, const float* weights) {
    double most = 0, sum = 0;
    for (std::size_t i = 0; i < group_size; ++i) most = std::max(most, std::abs(double{weights[i]}));
    for (std::size_t i = 0; i < group_size; ++i) {
        const double e = double{eo::f16_to_float(coded.scale)} * coded.codes[i] - double{weights[i]};
        sum += e * e * (weights[i] * weights[i] / (most * most) + 1.0);
    }
    return sum;
}

/// Q4_0 as llama.cpp writes it: the extreme weight becomes -8.
coded_group plain_q4_0(const float* weights) {
    float extreme = 0;
    for (std::size_t i = 0; i < group_size; ++i) {
        if (std::abs(weights[i]) > std::abs(extreme)) extreme = weights[i];
    }
    const float scale = extreme / -8.0f;
    coded_group made;
    made.scale = eo::float_to_f16(scale);
    for (std::size_t i = 0; i < group_size; ++i) {
        const float code = scale == 0.0f ? 0.0f : std::floor(weights[i] / scale + 8.5f);
        made.codes[i] = static_cast<std::int8_t>(std::min(15.0f, code) - 8.0f);
    }
    return made;
}

}  // namespace

TEST_CASE("int8: every weight within half a step", "[kernels][quantize]") {
    support::random_source random(1);
    for (const float scale : {1e-3f, 1.0f, 300.0f}) {
        for (int round = 0; round < 50; ++round) {
            const auto w = random.floats(group_size, scale);
            const coded_group coded = quantize_group(eo::int8{}, w.data());
            const float step = eo::f16_to_float(coded.scale);
            for (std::size_t i = 0; i < group_size; ++i) {
                // The largest may lose what rounding the scale to binary16 took from 127 steps.
                const float slack = std::abs(coded.codes[i]) == 127 ? 127.0f * 0x1p-11f : 0.0f;
                REQUIRE(std::abs(step * static_cast<float>(coded.codes[i]) - w[i]) <= step * (0.5001f + slack));
            }
            REQUIRE(*std::ranges::max_element(coded.codes, {}, [](int c) { return std::abs(c); }) != 0);
        }
    }
}

TEST_CASE("int4: at least as close as Q4_0 in every group, and closer on average", "[kernels][quantize]") {
    support::random_source random(2);
    double ours = 0, plain = 0;
    for (int round = 0; round < 500; ++round) {
        const auto w = random.floats(group_size, 0.05f);
        const double a = squared_error(quantize_group(eo::int4{}, w.data()), w.data());
        const double b = squared_error(plain_q4_0(w.data()), w.data());
        REQUIRE(a <= b * 1.01);
        ours += a;
        plain += b;
    }
    CHECK(ours < 0.92 * plain);
}

TEST_CASE("codes of a file survive being read and rounded again", "[kernels][quantize]") {
    support::random_source random(3);
    for (int round = 0; round < 200; ++round) {
        const auto values = random.floats(group_size, 10.0f);
        float weights[group_size];
        coded_group stored;
        stored.scale = eo::float_to_f16(0.01f * static_cast<float>(round + 1));
        for (std::size_t i = 0; i < group_size; ++i) {
            stored.codes[i] = static_cast<std::int8_t>(std::clamp(std::round(values[i]), -127.0f, 127.0f));
            if (i == 7) stored.codes[i] = 127;
            weights[i] = eo::f16_to_float(stored.scale) * static_cast<float>(stored.codes[i]);
        }
        const coded_group again = quantize_group(eo::int8{}, weights);
        REQUIRE(again.scale == stored.scale);
        REQUIRE(again.codes == stored.codes);
    }
}

TEST_CASE("groups of zeros, of subnormals and of huge weights stay finite", "[kernels][quantize]") {
    for (const float value : {0.0f, 1e-45f, 1e-38f, 1e-7f, 1e6f, 1e30f, std::numeric_limits<float>::max()}) {
        float w[group_size];
        for (std::size_t i = 0; i < group_size; ++i) w[i] = i % 3 == 0 ? value : -value;
        for (const coded_group& coded : {quantize_group(eo::int8{}, w), quantize_group(eo::int4{}, w)}) {
            const float scale = eo::f16_to_float(coded.scale);
            REQUIRE(std::isfinite(scale));
            for (std::size_t i = 0; i < group_size; ++i) {
                const float back = scale * static_cast<float>(coded.codes[i]);
                REQUIRE(std::abs(back) <= 1.01f * value);
                if (value >= 1e-4f && value <= 1e5f) REQUIRE(std::abs(back - w[i]) <= 0.01f * value);
                REQUIRE(back * w[i] >= 0.0f);  // signs are kept
            }
        }
    }
}

TEMPLATE_LIST_TEST_CASE("quantize_row: codes, scales and sums of each group", "[kernels][quantize]", support::archs) {
    support::random_source random(4);
    for (const std::size_t n : {1u, 31u, 32u, 33u, 160u, 161u}) {
        const std::size_t groups = (n + 31) / 32;
        const support::misaligned x(random.floats(n, 3.0f));
        std::vector<std::int8_t> codes(groups * group_size, 99);
        std::vector<float> scales(groups);
        std::vector<std::int32_t> sums(2 * groups);
        eo::kernels::quantize_row(x.data(), n, codes.data(), scales.data(), sums.data(), TestType{});
        for (std::size_t g = 0; g < groups; ++g) {
            float most = 0;
            int halves[2] = {0, 0};
            for (std::size_t k = g * 32; k < std::min(n, g * 32 + 32); ++k) most = std::max(most, std::abs(x[k]));
            REQUIRE(scales[g] == most / 127.0f);
            for (std::size_t k = g * 32; k < g * 32 + 32; ++k) {
                const float value = k < n ? x[k] : 0.0f;
                REQUIRE(std::abs(scales[g] * static_cast<float>(codes[k]) - value) <= 0.50001f * scales[g]);
                halves[k % 32 / 16] += codes[k];
            }
            REQUIRE(sums[2 * g] == halves[0]);
            REQUIRE(sums[2 * g + 1] == halves[1]);
        }
    }
}

TEMPLATE_LIST_TEST_CASE("quantize_row: extremes", "[kernels][quantize]", support::archs) {
    const auto rounded = [](std::vector<float> x) {
        std::vector<std::int8_t> codes(32, 99);
        float scale = -1;
        std::vector<std::int32_t> sums{-1, -1};
        eo::kernels::quantize_row(x.data(), x.size(), codes.data(), &scale, sums.data(), TestType{});
        return std::tuple(codes, scale, sums);
    };
    const auto zero = rounded(std::vector<float>(32, 0.0f));
    CHECK(zero == std::tuple(std::vector<std::int8_t>(32, 0), 0.0f, std::vector<std::int32_t>{0, 0}));
    CHECK(rounded(std::vector<float>(32, 1e-40f)) == zero);
    const auto [codes, scale, sums] = rounded(std::vector<float>(32, std::numeric_limits<float>::max()));
    CHECK(codes == std::vector<std::int8_t>(32, 127));
    CHECK(std::isfinite(scale));
    CHECK(sums == std::vector<std::int32_t>{16 * 127, 16 * 127});
    for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        std::vector<float> x(32, 1.0f);
        x[5] = bad;
        const auto [none, problem, no_sums] = rounded(x);
        CHECK(none == std::vector<std::int8_t>(32, 0));
        CHECK(std::isnan(problem));
        CHECK(no_sums == std::vector<std::int32_t>{0, 0});
    }
}
