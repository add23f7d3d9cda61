// SPDX-License-Identifier: MIT
#include <earlyout/kernels/rotary.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

#include "support/archs.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

using Catch::Matchers::WithinAbs;
namespace kernels = earlyout::kernels;

TEMPLATE_LIST_TEST_CASE("halves of a head are rotated as points in planes", "[kernels][rotary]", support::archs) {
    support::random_source random(3);
    for (const std::size_t half : {1u, 3u, 4u, 7u, 16u, 33u, 64u}) {
        const std::vector<float> before = random.floats(2 * half + 1);
        const std::vector<float> angles = random.floats(half, 3.0f);
        std::vector<float> cosine(half), sine(half);
        for (std::size_t i = 0; i < half; ++i) {
            cosine[i] = std::cos(angles[i]);
            sine[i] = std::sin(angles[i]);
        }
        std::vector<float> x = before;
        kernels::rotate_halves(x.data(), cosine.data(), sine.data(), half, TestType{});
        for (std::size_t i = 0; i < half; ++i) {
            const double c = std::cos(double{angles[i]}), s = std::sin(double{angles[i]});
            CHECK_THAT(x[i], WithinAbs(before[i] * c - before[half + i] * s, 1e-6));
            CHECK_THAT(x[half + i], WithinAbs(before[half + i] * c + before[i] * s, 1e-6));
        }
        CHECK(x.back() == before.back());  // nothing after it is touched
    }
}

TEMPLATE_LIST_TEST_CASE("cosines and sines of sums of angles", "[kernels][rotary]", support::archs) {
    support::random_source random(4);
    for (const std::size_t half : {1u, 5u, 16u, 37u}) {
        const std::vector<float> a = random.floats(half, 3.0f), b = random.floats(half, 3.0f);
        std::vector<float> first(2 * half), second(2 * half), cosine(half), sine(half);
        for (std::size_t i = 0; i < half; ++i) {
            first[i] = std::cos(a[i]);
            first[half + i] = std::sin(a[i]);
            second[i] = std::cos(b[i]);
            second[half + i] = std::sin(b[i]);
        }
        kernels::add_angles(first.data(), second.data(), half, cosine.data(), sine.data(), TestType{});
        for (std::size_t i = 0; i < half; ++i) {
            CHECK_THAT(cosine[i], WithinAbs(std::cos(double{a[i]} + double{b[i]}), 1e-6));
            CHECK_THAT(sine[i], WithinAbs(std::sin(double{a[i]} + double{b[i]}), 1e-6));
        }
    }
}
