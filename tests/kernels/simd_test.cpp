// SPDX-License-Identifier: MIT
#include <earlyout/kernels/simd.hpp>

#include <cstddef>
#include <vector>

#include "support/archs.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;

TEMPLATE_LIST_TEST_CASE("tails are loaded, transformed and stored, and nothing beyond", "[kernels][simd]",
                        support::archs) {
    for (const std::size_t n : {0u, 1u, 3u, 15u, 16u, 17u, 40u}) {
        std::vector<float> x = support::random_source(1).floats(n + 1), out(n + 1, -7.0f);
        eo::kernels::transform<TestType>(x.data(), out.data(), n, [](const auto& v) { return v + v; });
        for (std::size_t i = 0; i < n; ++i) CHECK(out[i] == 2.0f * x[i]);
        CHECK(out[n] == -7.0f);
    }
}

TEMPLATE_LIST_TEST_CASE("lanes are summed and compared", "[kernels][simd]", support::archs) {
    constexpr std::size_t w = eo::kernels::lanes<TestType>;
    std::vector<float> x(w);
    for (std::size_t i = 0; i < w; ++i) x[i] = static_cast<float>(i) - 1.0f;
    const auto batch = eo::float_batch<TestType>::load_unaligned(x.data());
    CHECK(eo::kernels::sum_lanes<TestType>(batch) == static_cast<float>(w * (w - 1) / 2) - static_cast<float>(w));
    CHECK(eo::kernels::max_lanes<TestType>(batch) == static_cast<float>(w) - 2.0f);
    if constexpr (w > 1) {
        const auto tail = eo::kernels::load_tail<TestType>(x.data(), 1, 9.0f);
        CHECK(eo::kernels::sum_lanes<TestType>(tail) == 9.0f * static_cast<float>(w - 1) - 1.0f);
    }
}
