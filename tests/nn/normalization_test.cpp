// SPDX-License-Identifier: MIT
#include <earlyout/nn/normalization.hpp>

#include <cstddef>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

namespace eo = earlyout;
namespace reference = support::reference;

TEST_CASE("layer norm has mean 0 and variance 1 before weight and bias", "[nn][normalization]") {
    const std::size_t size = GENERATE(1u, 2u, 15u, 64u, 100u);
    const float epsilon = GENERATE(1e-5f, 1e-2f);
    support::random_source random(1);
    const std::vector<float> weight = random.floats(size);
    const std::vector<float> bias = random.floats(size);
    std::vector<float> x = random.floats(size, 3.0f);
    for (float& value : x) value += 5.0f;
    const eo::layer_norm<> norm(weight, bias, epsilon);
    std::vector<float> out(size);
    norm(x.data(), out.data());
    CHECK(reference::distance(out, reference::layer_norm(x, weight, bias, double{epsilon})) < 2e-5);
    norm(x.data(), x.data());  // in place
    CHECK(support::same_bits(x, out));
    CHECK(norm.bytes() == 2 * size * sizeof(float));
}

TEST_CASE("a row of equal values becomes the bias", "[nn][normalization]") {
    const std::vector<float> bias{1, -2, 3};
    const eo::layer_norm<> norm({4, 5, 6}, bias, 1e-5f);
    const std::vector<float> x(3, 1024.0f);
    std::vector<float> out(3);
    norm(x.data(), out.data());
    CHECK(out == bias);
}

TEST_CASE("a small spread far from zero is not lost", "[nn][normalization]") {
    support::random_source random(2);
    std::vector<float> x = random.floats(64);
    for (float& value : x) value = 4096.0f + value;
    const std::vector<float> weight(64, 1.0f), bias(64, 0.0f);
    const eo::layer_norm<> norm(weight, bias, 1e-5f);
    std::vector<float> out(64);
    norm(x.data(), out.data());
    CHECK(reference::distance(out, reference::layer_norm(x, weight, bias, 1e-5)) < 1e-3);
}

TEST_CASE("a width known at compile time does not change a bit", "[nn][normalization]") {
    support::random_source random(3);
    const std::vector<float> weight = random.floats(45), bias = random.floats(45), x = random.floats(45);
    std::vector<float> a(45), b(45);
    eo::layer_norm<>(weight, bias, 1e-5f)(x.data(), a.data());
    eo::layer_norm<45>(weight, bias, 1e-5f)(x.data(), b.data());
    CHECK(support::same_bits(a, b));
    CHECK(support::error_of([&] { (void)eo::layer_norm<44>(weight, bias, 1e-5f); }) ==
          support::thrown(eo::errc::wrong_shape, {"layer norm", "compiled for 44", "found 45"}));
}

TEST_CASE("RMS norm has mean square 1 before its weight", "[nn][normalization]") {
    const eo::rms_norm<> norm({1.0f, 2.0f, -1.0f}, 1e-5f);
    const std::vector<float> x{3.0f, -3.0f, 3.0f};
    std::vector<float> out(3);
    norm(x.data(), out.data());
    CHECK(reference::distance(out, {1.0, -2.0, -1.0}) < 1e-5);
    CHECK(norm.bytes() == 3 * sizeof(float));
    CHECK(support::error_of([] {
              (void)eo::rms_norm<4>({1.0f, 2.0f}, 1e-5f);
          }) == support::thrown(eo::errc::wrong_shape, {"RMS norm", "compiled for 4", "found 2"}));
}

TEST_CASE("no norm copies its input", "[nn][normalization]") {
    const eo::no_norm norm(3);
    const std::vector<float> x{3.0f, -3.0f, 5.0f};
    std::vector<float> out(3);
    norm(x.data(), out.data());
    CHECK(out == x);
    CHECK(norm.bytes() == 0);
}
