// SPDX-License-Identifier: MIT
#include <earlyout/kernels/norms.hpp>

#include <cmath>
#include <vector>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::misaligned;
using support::same_bits;

namespace {

std::vector<double> exact_layer_norm(const misaligned& x, const misaligned& weight, const misaligned& bias,
                                     float epsilon) {
    const auto n = static_cast<double>(x.size());
    double mean = 0;
    for (std::size_t i = 0; i < x.size(); ++i) mean += x[i] / n;
    double variance = 0;
    for (std::size_t i = 0; i < x.size(); ++i) variance += (x[i] - mean) * (x[i] - mean) / n;
    std::vector<double> out(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        out[i] = (x[i] - mean) / std::sqrt(variance + static_cast<double>(epsilon)) * weight[i] + bias[i];
    }
    return out;
}

constexpr std::size_t vector_sizes[] = {1, 2, 3, 7, 15, 16, 17, 20, 21, 31, 32, 33, 63, 160, 767, 768};

}  // namespace

TEMPLATE_LIST_TEST_CASE("layer_norm equals its definition in double precision", "[kernels][norms]", support::archs) {
    support::random_source random(1);
    for (const float mean : {0.0f, 30.0f}) {
        for (const float deviation : {1.0f, 1e-3f, 1e4f, 1e15f, 1e-30f}) {
            if (mean != 0.0f && deviation < 1.0f) continue;  // the inputs' own rounding would dominate
            for (const std::size_t n : vector_sizes) {
                misaligned x(random.floats(n, deviation));
                for (std::size_t i = 0; i < n; ++i) x[i] += mean;
                const misaligned weight(random.floats(n));
                const misaligned bias(random.floats(n));
                misaligned out(n);
                eo::kernels::layer_norm(x.data(), weight.data(), bias.data(), 1e-5f, out.data(), n, TestType{});
                const std::vector<double> expected = exact_layer_norm(x, weight, bias, 1e-5f);
                INFO("n " << n << ", mean " << mean << ", deviation " << deviation);
                double worst = 0;
                for (std::size_t i = 0; i < n; ++i) worst = std::max(worst, std::abs(out[i] - expected[i]));
                REQUIRE(worst < (mean == 0.0f ? 4e-6 : 2e-5));
                REQUIRE(out.intact());
            }
        }
    }
}

TEMPLATE_LIST_TEST_CASE("layer_norm: equal values yield the bias", "[kernels][norms]", support::archs) {
    for (const std::size_t n : vector_sizes) {
        const misaligned x(n, 3.0f);
        const misaligned weight(n, 5.0f);
        const misaligned bias(support::random_source(2).floats(n));
        misaligned out(n);
        eo::kernels::layer_norm(x.data(), weight.data(), bias.data(), 1e-5f, out.data(), n, TestType{});
        REQUIRE(same_bits(out.span(), bias.span()));
    }
}

TEMPLATE_LIST_TEST_CASE("layer_norm may write over its input", "[kernels][norms]", support::archs) {
    for (const std::size_t n : vector_sizes) {
        support::random_source random(3);
        misaligned x(random.floats(n));
        const misaligned weight(random.floats(n));
        const misaligned bias(random.floats(n));
        misaligned out(n);
        eo::kernels::layer_norm(x.data(), weight.data(), bias.data(), 1e-5f, out.data(), n, TestType{});
        eo::kernels::layer_norm(x.data(), weight.data(), bias.data(), 1e-5f, x.data(), n, TestType{});
        REQUIRE(same_bits(out.span(), x.span()));
    }
}

TEMPLATE_LIST_TEST_CASE("rms_norm equals its definition in double precision", "[kernels][norms]", support::archs) {
    support::random_source random(2);
    for (const float deviation : {1.0f, 1e-3f, 1e4f, 1e15f, 1e-30f}) {
        for (const std::size_t n : vector_sizes) {
            const misaligned x(random.floats(n, deviation));
            const misaligned weight(random.floats(n));
            misaligned out(n);
            eo::kernels::rms_norm(x.data(), weight.data(), 1e-5f, out.data(), n, TestType{});
            double squares = 0;
            for (std::size_t i = 0; i < n; ++i) squares += double{x[i]} * double{x[i]} / static_cast<double>(n);
            double worst = 0;
            for (std::size_t i = 0; i < n; ++i) {
                worst = std::max(worst, std::abs(out[i] - x[i] / std::sqrt(squares + 1e-5) * weight[i]));
            }
            INFO("n " << n << ", deviation " << deviation);
            REQUIRE(worst < 4e-6);
            REQUIRE(out.intact());
        }
    }
}
