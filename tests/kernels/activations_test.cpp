// SPDX-License-Identifier: MIT
#include <earlyout/kernels/activations.hpp>

#include <cmath>
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
    const auto relu = [](float* x, std::size_t n) { eo::kernels::relu(x, n, TestType{}); };
    const auto soft_cap = [](float* x, std::size_t n) { eo::kernels::soft_cap(x, n, 3.0f, TestType{}); };
    SECTION("soft_cap") {
        check(
            soft_cap, [](double x) { return 3.0 * std::tanh(x / 3.0); }, 1e-6);
    }
    SECTION("gelu_tanh") { check(gelu_tanh, exact_gelu_tanh, 1e-7); }
    SECTION("gelu_erf") { check(gelu_erf, exact_gelu_erf, 5e-7); }
    SECTION("silu") { check(silu, exact_silu, 1e-7); }
    SECTION("relu") { check(relu, exact_relu, 0); }
    SECTION("places") {
        check_places(gelu_tanh);
        check_places(soft_cap);
        check_places(gelu_erf);
        check_places(silu);
        check_places(relu);
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
