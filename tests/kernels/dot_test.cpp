// SPDX-License-Identifier: MIT
#include <earlyout/kernels/dot.hpp>

#include <cfloat>
#include <cmath>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::misaligned;

TEMPLATE_LIST_TEST_CASE("dot equals a sum in double precision", "[kernels][dot]", support::archs) {
    support::random_source random(1);
    for (const float scale : {1.0f, 1e-21f, 1e18f}) {
        for (std::size_t n = 0; n <= 70; ++n) {
            const misaligned x(random.floats(n, scale));
            const misaligned y(random.floats(n, scale));
            double sum = 0;
            double magnitude = 0;
            for (std::size_t i = 0; i < n; ++i) {
                sum += static_cast<double>(x[i]) * y[i];
                magnitude += std::abs(static_cast<double>(x[i]) * y[i]);
            }
            const double bound = 0x1p-23 * static_cast<double>(n) * magnitude +
                                 static_cast<double>(n) * static_cast<double>(FLT_TRUE_MIN);
            INFO("n " << n << ", scale " << scale);
            REQUIRE(std::abs(eo::kernels::dot(x.data(), y.data(), n, TestType{}) - sum) <= bound);
        }
    }
}

TEMPLATE_LIST_TEST_CASE("dot uses every element once", "[kernels][dot]", support::archs) {
    for (const std::size_t n : {1u, 7u, 31u, 33u, 160u, 768u}) {
        misaligned x(n);
        const misaligned y(n, 1.0f);
        for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(i + 1);
        REQUIRE(eo::kernels::dot(x.data(), y.data(), n, TestType{}) == static_cast<float>(n * (n + 1) / 2));
    }
}
