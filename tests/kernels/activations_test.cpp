// SPDX-License-Identifier: MIT
#include <earlyout/kernels/activations.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::misaligned;
using support::same_bits;

namespace {

double exact_gelu_tanh(double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}
double exact_gelu_erf(double x) { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); }
double exact_silu(double x) { return x / (1 + std::exp(-x)); }
double exact_clamped_swish(double x) { return std::min(x, 7.0) / (1 + std::exp(-1.702 * std::min(x, 7.0))); }
double exact_relu(double x) { return x > 0 ? x : 0; }

/// From subnormal to 1e30, both signs, and a dense walk through the curved part.
std::vector<float> arguments() {
    std::vector<float> x = {0.0f, -0.0f, 1e-45f, 1e-38f, 88.0f, 89.0f, 100.0f, 104.0f, 1e4f, 1e10f, 1e20f, 1e30f};
    const std::size_t special = x.size();
    for (std::size_t i = 0; i < special; ++i) x.push_back(-x[i]);
    for (float v = -20.0f; v < 20.0f; v += 0.003f) x.push_back(v);
    return x;
}

template <class Kernel>
void check(Kernel kernel, double (*exact)(double), double tolerance) {
    const std::vector<float> x = arguments();
    misaligned y(x);
    kernel(y.data(), y.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        INFO("x " << x[i] << ", found " << y[i]);
        const double expected = exact(x[i]);
        REQUIRE(std::abs(y[i] - expected) <= tolerance + 4e-7 * std::abs(expected));
    }
}

/// An element's value depends neither on its place in a register nor on whether it belongs to the tail.
template <class Kernel>
void check_places(Kernel kernel) {
    support::random_source random(1);
    for (std::size_t n = 1; n <= 40; ++n) {
        const std::vector<float> x = random.floats(n, 3.0f);
        misaligned together(x);
        kernel(together.data(), n);
        REQUIRE(together.intact());
        for (std::size_t i = 0; i < n; ++i) {
            float alone = x[i];
            kernel(&alone, 1);
            REQUIRE(same_bits({&alone, 1}, together.span().subspan(i, 1)));
        }
    }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("activations equal their definitions", "[kernels][activations]", support::archs) {
    const auto gelu_tanh = [](float* x, std::size_t n) { eo::kernels::gelu_tanh(x, n, TestType{}); };
    const auto gelu_erf = [](float* x, std::size_t n) { eo::kernels::gelu_erf(x, n, TestType{}); };
    const auto silu = [](float* x, std::size_t n) { eo::kernels::silu(x, n, TestType{}); };
    const auto clamped_swish = [](float* x, std::size_t n) { eo::kernels::clamped_swish(x, n, TestType{}); };
    const auto relu = [](float* x, std::size_t n) { eo::kernels::relu(x, n, TestType{}); };
    const auto soft_cap = [](float* x, std::size_t n) { eo::kernels::soft_cap(x, n, 3.0f, TestType{}); };
    SECTION("soft_cap") {
        check(
            soft_cap, [](double x) { return 3.0 * std::tanh(x / 3.0); }, 1e-6);
    }
    SECTION("gelu_tanh") { check(gelu_tanh, exact_gelu_tanh, 1e-7); }
    SECTION("gelu_erf") { check(gelu_erf, exact_gelu_erf, 5e-7); }
    SECTION("silu") { check(silu, exact_silu, 1e-7); }
    SECTION("clamped_swish") {
        check(clamped_swish, exact_clamped_swish, 1e-7);
        std::vector<float> x(19, NAN);
        clamped_swish(x.data(), x.size());
        for (const float value : x) CHECK(std::isnan(value));
    }
    SECTION("relu") { check(relu, exact_relu, 0); }
    SECTION("places") {
        check_places(gelu_tanh);
        check_places(soft_cap);
        check_places(gelu_erf);
        check_places(silu);
        check_places(clamped_swish);
        check_places(relu);
    }
}

TEMPLATE_LIST_TEST_CASE("multiply_clamped multiplies by one more than what is within its limits",
                        "[kernels][activations]", support::archs) {
    support::random_source random(10);
    for (const std::size_t n : {0u, 1u, 3u, 8u, 17u, 64u, 67u}) {
        std::vector<float> y = random.floats(n, 6.0f);
        if (n > 3) y[1] = 1e30f, y[2] = -1e30f, y[n - 1] = NAN;
        const std::vector<float> before = random.floats(n + 1);
        std::vector<float> x = before;
        eo::kernels::multiply_clamped(x.data(), y.data(), n, TestType{});
        for (std::size_t i = 0; i < n; ++i) {
            const float expected = before[i] * (std::clamp(y[i], -7.0f, 7.0f) + 1.0f);
            CHECK((std::isnan(y[i]) ? std::isnan(x[i]) : x[i] == expected));
        }
        CHECK(x[n] == before[n]);
    }
}

TEMPLATE_LIST_TEST_CASE("multiply_elements multiplies in place, tails included", "[kernels][activations]",
                        support::archs) {
    support::random_source random(9);
    for (const std::size_t n : {0u, 1u, 3u, 8u, 17u, 64u, 67u}) {
        const std::vector<float> y = random.floats(n);
        const std::vector<float> before = random.floats(n + 1);
        std::vector<float> x = before;
        eo::kernels::multiply_elements(x.data(), y.data(), n, TestType{});
        for (std::size_t i = 0; i < n; ++i) CHECK(x[i] == before[i] * y[i]);
        CHECK(x[n] == before[n]);
    }
}
