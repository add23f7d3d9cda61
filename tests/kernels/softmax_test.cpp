// SPDX-License-Identifier: MIT
#include <earlyout/kernels/softmax.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::infinity;
using support::misaligned;

namespace {

constexpr std::size_t softmax_sizes[] = {1, 2, 3, 7, 15, 16, 17, 20, 21, 31, 32, 33, 160, 768, 5001};

double exact_log_sum_exp(const misaligned& x) {
    const double most = *std::max_element(x.data(), x.data() + x.size());
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += std::exp(x[i] - most);
    return most + std::log(sum);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("max_value", "[kernels][softmax]", support::archs) {
    support::random_source random(1);
    REQUIRE(eo::kernels::max_value(static_cast<const float*>(nullptr), 0, TestType{}) == -infinity);
    for (std::size_t n = 1; n <= 50; ++n) {
        for (std::size_t where = 0; where < n; ++where) {
            misaligned x(random.floats(n));
            for (std::size_t i = 0; i < n; ++i) x[i] -= 100.0f;  // a lane filled with 0 would win
            x[where] = -50.0f;
            REQUIRE(eo::kernels::max_value(x.data(), n, TestType{}) == -50.0f);
        }
    }
}

TEMPLATE_LIST_TEST_CASE("softmax equals its definition in double precision", "[kernels][softmax]", support::archs) {
    support::random_source random(2);
    for (const float deviation : {0.0f, 1.0f, 10.0f, 100.0f, 1e4f}) {
        for (const std::size_t n : softmax_sizes) {
            const misaligned x(random.floats(n, deviation));
            misaligned p(x.span());
            eo::kernels::softmax(p.data(), n, TestType{});
            const double log_sum = exact_log_sum_exp(x);
            const double most = *std::max_element(x.data(), x.data() + n);
            double total = 0;
            for (std::size_t i = 0; i < n; ++i) {
                const double expected = std::exp(x[i] - log_sum);
                INFO("n " << n << ", deviation " << deviation << ", x " << x[i]);
                // x - max is rounded once, and again by exp without fused multiply-add, in the sum too; below the
                // smallest normal float the exponential is flushed to zero.
                const double relative = 2e-6 + 0x1p-23 * std::abs(x[i] - most);
                REQUIRE(std::abs(p[i] - expected) <= relative * expected + 2e-38);
                total += p[i];
            }
            REQUIRE_THAT(total, Catch::Matchers::WithinAbs(1.0, 1e-6));
            REQUIRE(p.intact());
        }
    }
}

TEMPLATE_LIST_TEST_CASE("softmax: minus infinity is probability 0", "[kernels][softmax]", support::archs) {
    for (const std::size_t n : {2u, 16u, 33u}) {
        misaligned x(n, -infinity);
        x[n - 1] = -1e4f;
        eo::kernels::softmax(x.data(), n, TestType{});
        for (std::size_t i = 0; i < n; ++i) REQUIRE(x[i] == (i == n - 1 ? 1.0f : 0.0f));
    }
    eo::kernels::softmax(static_cast<float*>(nullptr), 0, TestType{});
}

TEMPLATE_LIST_TEST_CASE("exp_and_sum and log_sum_exp", "[kernels][softmax]", support::archs) {
    support::random_source random(3);
    for (const float deviation : {0.0f, 1.0f, 30.0f, 1e4f}) {
        for (const std::size_t n : softmax_sizes) {
            misaligned x(random.floats(n, deviation));
            const float most = eo::kernels::max_value(x.data(), n, TestType{});
            const double log_sum = exact_log_sum_exp(x);
            INFO("n " << n << ", deviation " << deviation);
            REQUIRE_THAT(eo::kernels::log_sum_exp(x.data(), n, most, TestType{}),
                         Catch::Matchers::WithinAbs(log_sum, 2e-6 + 1e-7 * std::abs(log_sum)));
            const misaligned before(x.span());
            const float sum = eo::kernels::exp_and_sum(x.data(), n, most, TestType{});
            REQUIRE_THAT(sum, Catch::Matchers::WithinRel(std::exp(log_sum - most), 1e-6));
            for (std::size_t i = 0; i < n; ++i) {
                const double expected = std::exp(static_cast<double>(before[i] - most));
                REQUIRE(std::abs(x[i] - expected) <= 4e-7 * expected + 2e-38);
            }
        }
    }
    REQUIRE(eo::kernels::exp_and_sum(static_cast<float*>(nullptr), 0, 0.0f, TestType{}) == 0.0f);
}

TEMPLATE_LIST_TEST_CASE("entropy: minus infinity adds nothing", "[kernels][softmax]", support::archs) {
    for (const std::size_t n : {2u, 16u, 33u}) {
        misaligned x(n, -infinity);
        x[0] = x[n - 1] = 1.0f;
        const float log_sum = eo::kernels::log_sum_exp(x.data(), n, 1.0f, TestType{});
        REQUIRE_THAT(eo::kernels::entropy(x.data(), n, log_sum, TestType{}),
                     Catch::Matchers::WithinAbs(std::log(2.0), 1e-6));
        x[0] = std::numeric_limits<float>::quiet_NaN();
        const float no_sum = eo::kernels::log_sum_exp(x.data(), n, 1.0f, TestType{});
        REQUIRE(std::isnan(eo::kernels::entropy(x.data(), n, no_sum, TestType{})));
    }
}

TEMPLATE_LIST_TEST_CASE("kl_divergence is that of two softmaxes", "[kernels][softmax]", support::archs) {
    support::random_source random(4);
    for (const std::size_t n : softmax_sizes) {
        if (n == 0) continue;
        const misaligned x(random.floats(n, 3.0f)), y(random.floats(n, 3.0f));
        const double log_x = exact_log_sum_exp(x), log_y = exact_log_sum_exp(y);
        double expected = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
            const double log_p = static_cast<double>(x[i]) - log_x;
            expected += std::exp(log_p) * (log_p - (static_cast<double>(y[i]) - log_y));
        }
        INFO("n " << n);
        const auto of = [&](const misaligned& p, double log_p, const misaligned& q, double log_q) {
            return eo::kernels::kl_divergence(p.data(), static_cast<float>(log_p), q.data(), static_cast<float>(log_q),
                                              n, TestType{});
        };
        REQUIRE_THAT(of(x, log_x, y, log_y), Catch::Matchers::WithinAbs(expected, 2e-5 * (1.0 + expected)));
        REQUIRE_THAT(of(x, log_x, x, log_x), Catch::Matchers::WithinAbs(0.0, 1e-6));
    }
    // Terms where p is 0 add nothing, whatever q is.
    const std::vector<float> p{0.0f, -infinity, 0.0f}, q{0.0f, 0.0f, 0.0f}, r{0.0f, -infinity, 0.0f};
    const float log_two = std::log(2.0f), log_three = std::log(3.0f);
    REQUIRE_THAT(eo::kernels::kl_divergence(p.data(), log_two, q.data(), log_three, 3, TestType{}),
                 Catch::Matchers::WithinAbs(std::log(1.5), 1e-6));
    REQUIRE_THAT(eo::kernels::kl_divergence(p.data(), log_two, r.data(), log_two, 3, TestType{}),
                 Catch::Matchers::WithinAbs(0.0, 1e-6));
    REQUIRE(eo::kernels::kl_divergence(q.data(), log_three, p.data(), log_two, 3, TestType{}) > 1e30f);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    REQUIRE(std::isnan(eo::kernels::kl_divergence(p.data(), nan, q.data(), log_three, 3, TestType{})));
}
