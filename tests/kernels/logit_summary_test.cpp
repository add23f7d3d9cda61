// SPDX-License-Identifier: MIT
#include <earlyout/kernels/logit_summary.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using eo::kernels::summary_block;
using support::misaligned;

namespace {

template <class Arch>
eo::kernels::logit_summary summary_of(const misaligned& x) {
    std::vector<eo::kernels::logit_summary> blocks((x.size() + summary_block - 1) / summary_block);
    return eo::kernels::summarize(x.data(), x.size(), blocks, Arch{});
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a summary equals that of the logits", "[kernels][summary]", support::archs) {
    support::random_source random(3);
    for (const std::size_t n : {1u, 2u, 31u, 1023u, 1024u, 1025u, 2048u, 3000u, 50257u}) {
        for (const float spread : {0.0f, 0.5f, 10.0f, 1e4f}) {
            misaligned x(random.floats(n, spread));
            const auto found = summary_of<TestType>(x);
            const auto top = eo::kernels::find_top_two(x.data(), n, TestType{});
            double sum = 0.0;
            for (std::size_t i = 0; i < n; ++i) sum += std::exp(double{x[i]} - double{top.first});
            CAPTURE(n, spread);
            REQUIRE(found.top.index == top.index);
            REQUIRE(found.top.first == top.first);
            REQUIRE(found.top.second == top.second);
            REQUIRE_THAT(std::log(found.sum), Catch::Matchers::WithinAbs(std::log(sum), 1e-5));
        }
    }
}

TEST_CASE("of equal logits in several blocks the first is top-1", "[kernels][summary]") {
    misaligned x(3 * summary_block, -1.0f);
    x[summary_block + 5] = x[2 * summary_block] = 4.0f;
    const auto found = summary_of<eo::default_arch>(x);
    CHECK(found.top.index == summary_block + 5);
    CHECK(found.top.first == 4.0f);
    CHECK(found.top.second == 4.0f);
    x[3] = 3.5f;
    x[2 * summary_block] = -2.0f;
    CHECK(summary_of<eo::default_arch>(x).top.second == 3.5f);
}

TEST_CASE("a summary of infinities and NaNs has a valid index", "[kernels][summary]") {
    for (const float value : {-support::infinity, support::infinity, std::numeric_limits<float>::quiet_NaN()}) {
        CHECK(summary_of<eo::default_arch>(misaligned(1400, value)).top.index < 1400);
    }
}

TEMPLATE_LIST_TEST_CASE("masked logits add nothing to a summary, and no NaN is missed", "[kernels][summary]",
                        support::archs) {
    constexpr float no_number = std::numeric_limits<float>::quiet_NaN();
    support::random_source random(4);
    for (const std::size_t n : {1u, 7u, 40u, 1024u, 1030u, 3000u}) {
        const std::vector<float> logits = random.floats(n, 3.0f);
        for (std::size_t kept = 0; kept < n; kept += 1 + n / 5) {
            CAPTURE(n, kept);
            misaligned masked(n, -support::infinity);
            masked[kept] = logits[kept];
            const auto found = summary_of<TestType>(masked);
            REQUIRE(found.top.index == kept);
            REQUIRE(found.log_sum() == logits[kept]);
            for (const float value : {no_number, -no_number, support::infinity}) {
                misaligned bad(logits), bad_among_masked(n, -support::infinity);
                bad[kept] = bad_among_masked[kept] = value;
                REQUIRE_FALSE(std::isfinite(summary_of<TestType>(bad).log_sum()));
                REQUIRE(summary_of<TestType>(bad).top.index < n);
                REQUIRE_FALSE(std::isfinite(summary_of<TestType>(bad_among_masked).log_sum()));
            }
        }
        REQUIRE_FALSE(std::isfinite(summary_of<TestType>(misaligned(n, -support::infinity)).log_sum()));
    }
}
